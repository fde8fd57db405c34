"""QR codes of passes: drawn once, and kept in the store for whoever shows them."""

from uuid import UUID

import structlog

from cloud import qr
from cloud.contract import Delivery, PassRecord, PassStatus
from cloud.errors import DeliveryImpossible
from cloud.store import StoredPass
from cloud.worker.context import JobContext

log = structlog.get_logger("cloud.jobs")


def draw(context: JobContext, held: StoredPass) -> bytes | None:
    """Draw a pass's QR code and keep it.

    Args:
        context: The worker's context.
        held: The pass.

    Returns:
        The code as PNG; None where the pass has expired, since its token is gone then.
    """
    token = context.store.passes.token(held.id)
    if token is None:
        log.warning("pass_expired_undrawn", pass_id=str(held.id))
        return None
    signer = context.signer
    signed = None if signer is None else signer.sign(token, held.gate, held.expires_at)
    image = qr.png(qr.payload(token, context.public_url, signed))
    context.store.passes.keep_qr(held, image, context.clock())
    log.info("code_drawn", pass_id=str(held.id))
    return image


def code_of(context: JobContext, pass_id: UUID) -> bytes:
    """Return the QR code of a pass, and draw it where that was not done yet.

    Args:
        context: The worker's context.
        pass_id: The pass's id.

    Returns:
        The code as PNG.

    Raises:
        DeliveryImpossible: The pass has expired or is gone.
    """
    image = context.store.passes.qr(pass_id)
    if image is None:
        held = context.store.passes.get(pass_id)
        image = draw(context, held) if held is not None else None
    if image is None:
        raise DeliveryImpossible("the pass was expired before it could be sent")
    return image


def pass_of(context: JobContext, delivery: Delivery) -> PassRecord:
    """Return the pass that a delivery brings.

    Args:
        context: The worker's context.
        delivery: The delivery; it names the pass's event, or a pass that was made by hand.

    Returns:
        The pass, which can still be redeemed.

    Raises:
        DeliveryImpossible: The pass was redeemed or revoked, has expired, or is gone.
    """
    event = context.store.events.get(delivery.event_id, context.clock())
    if event is not None:
        record = event.pass_record
    else:
        by_hand = context.store.passes.get(delivery.event_id)
        record = by_hand.record(context.clock()) if by_hand is not None else None
    if record is None or record.status is not PassStatus.ISSUED:
        over = "gone" if record is None else record.status.value
        raise DeliveryImpossible(f"the pass was {over} before it could be sent")
    return record
