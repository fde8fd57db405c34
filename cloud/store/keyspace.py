"""Every Redis key that the cloud uses is built here (RQ keeps its own under `rq:`)."""

from datetime import date
from uuid import UUID

from cloud.contract import Channel

EVERYTHING = "mg:*"
"""Pattern: every key that is built here."""

GATES = "mg:gates"
DELETED_GATES = "mg:deleted-gates"
KEYS = "mg:keys"
DEVICES = "mg:devices"
HEARTBEATS = "mg:heartbeats"
AUDIT = "mg:audit"
TELEGRAM_HOLD = "mg:telegram:hold"
TELEGRAM_CHAT_HOLDS = "mg:telegram:chat-holds"
TELEGRAM_TOLD = "mg:telegram:told-to-wait"
TELEGRAM_ASKED = "mg:telegram:asked-to-wait"
TELEGRAM_FLEET = "mg:telegram:fleet"
GATE_CODES = "mg:gate-codes"
GATES_BY_CODE = "mg:gates-by-code"
WEBHOOK_SECRETS = "mg:webhook-secrets"
OLD_WEBHOOK_SECRETS = "mg:old-webhook-secrets"
REFUSALS = "mg:refusals"
SUSPENDED = "mg:suspended"
BOT_LEADER = "mg:bot:leader"
BOT_NAME = "mg:bot:name"
INBOX_PREFIX = "mg:bot:inbox:"
EVENT_PREFIX = "mg:event:"
DELIVERY_PREFIX = "mg:delivery:"
PURGED = "mg:purged"
LOST_JOBS = "mg:lost-jobs"
ACCOUNTS = "mg:accounts"
ACCOUNT_NAMES = "mg:account-names"
GATE_SETTINGS = "mg:gate-settings"
GATE_REVISIONS = "mg:gate-revisions"
OUTAGES = "mg:outages"
ABSENCES = "mg:absences"
COMMAND_WAKEUPS = "mg:command-bell"
LIMITS = "mg:limits"
OUTBOX = "mg:outbox"
LAST_BACKUP = "mg:last-backup"
MODELS = "mg:models"
REDEMPTION_PREFIX = "mg:redemption:"
UNDONE_PREFIX = "mg:undone:"
PASS_PREFIX = "mg:pass:"  # noqa: S105 (a prefix, not a password)


def event(event_id: UUID | str) -> str:
    """Hash: an event, its decision and its place in the stream."""
    return f"{EVENT_PREFIX}{event_id}"


def events(gate: str | None = None) -> str:
    """Stream: events of one gate, or of all."""
    return "mg:events" if gate is None else f"mg:events:{gate}"


def pass_(pass_id: UUID | str) -> str:
    """Hash: a pass without its token."""
    return f"{PASS_PREFIX}{pass_id}"


def manual_passes(gate: str | None = None) -> str:
    """Stream: manual passes of one gate, or of all."""
    return "mg:passes-by-hand" if gate is None else f"mg:passes-by-hand:{gate}"


def pass_token(pass_id: UUID | str) -> str:
    """String: the token itself, gone when the pass expires."""
    return f"mg:pass-token:{pass_id}"


def pass_qr(pass_id: UUID) -> str:
    """String: the PNG of the QR code, gone when the pass expires."""
    return f"mg:pass-qr:{pass_id}"


def token(token_sha256: str) -> str:
    """String: the id of the pass that a token belongs to."""
    return f"mg:token:{token_sha256}"


def redemption(key_id: str, nonce: str, gate: str, token_sha256: str) -> str:
    """Return the key of a string: the answer that an attempt got.

    The key holds the nonce and the token's hash, so that a scanner that uses a nonce twice by
    mistake never gets one person's answer for another person's token.

    Args:
        key_id: of the scanner's key, or of the account or chat.
        nonce: of the attempt.
        gate: of the scanner.
        token_sha256: of the token.

    Returns:
        The key.
    """
    return f"{REDEMPTION_PREFIX}{key_id}:{nonce}:{gate}:{token_sha256}"


def redemptions(gate: str | None = None) -> str:
    """Stream: attempts to redeem a pass, at one gate or at all gates."""
    return "mg:redemptions" if gate is None else f"mg:redemptions:{gate}"


def undone(cursor: str) -> str:
    """String: when (ms) the redemption at this place of the stream `redemptions` was undone."""
    return f"{UNDONE_PREFIX}{cursor}"


def update(bot_id: int, update_id: int) -> str:
    """String: a note that an update of Telegram's was handled."""
    return f"mg:bot:update:{bot_id}:{update_id}"


def inbox(bot_id: int | str) -> str:
    """Hash: updates of Telegram's that a bot has not handled yet, by their numbers."""
    return f"{INBOX_PREFIX}{bot_id}"


def relayed(cursor: str) -> str:
    """String, on the queue's Redis: a note that an entry of the outbox was run."""
    return f"mg:relayed:{cursor}"


def delivery(delivery_id: str) -> str:
    """Hash: one message to one subscriber."""
    return f"{DELIVERY_PREFIX}{delivery_id}"


def deliveries(gate: str | None = None) -> str:
    """Stream: deliveries of one gate, or of all."""
    return "mg:deliveries" if gate is None else f"mg:deliveries:{gate}"


def deliveries_of(event_id: UUID) -> str:
    """Set: deliveries of an event, a pass or an outage that were not written together with it."""
    return f"mg:deliveries-of:{event_id}"


def subscribers(gate: str) -> str:
    """Hash: a gate's subscribers by id."""
    return f"mg:subscribers:{gate}"


def of_subscriber(gate: str, subscriber_id: str) -> str:
    """Field or member: one subscriber of one gate, in a key of all gates."""
    return f"{gate}:{subscriber_id}"


def subscriptions(channel: Channel, address: str) -> str:
    """Set: the gates that an address is subscribed to."""
    return f"mg:subscriptions:{channel}:{address}"


def enrolment_code(code_sha256: str) -> str:
    """String: what an enrolment code is for, gone when the code is used or expires."""
    return f"mg:enrolment-code:{code_sha256}"


def quarters(gate: str, day: date) -> str:
    """Hash: counters of a gate by quarter of an hour, for one day in UTC."""
    return f"mg:statistics:quarters:{gate}:{day.isoformat()}"


def quarters_of_all() -> str:
    """Pattern: `quarters` of every gate and day."""
    return "mg:statistics:quarters:*"


def of_quarters(key: str) -> tuple[str, date]:
    """Return gate and day of a key of `quarters`."""
    _, _, _, gate, day = key.split(":")
    return gate, date.fromisoformat(day)


def days(gate: str, year: int) -> str:
    """Hash: counters of a gate by day, for one year."""
    return f"mg:statistics:days:{gate}:{year:04}"


def counters_of(gate: str) -> str:
    """Pattern: `quarters` and `days` of a gate."""
    return f"mg:statistics:*:{gate}:*"


def telegram_chat(chat: str) -> str:
    """Hash: when a chat takes its next message, and when the last message in its line is due."""
    return f"mg:telegram:chat:{chat}"


def telegram_place(message: str) -> str:
    """String: when a message that waits in its chat's line is due."""
    return f"mg:telegram:place:{message}"


def visitors(gate: str) -> str:
    """List: visitors who wait at a gate, the first to come first."""
    return f"mg:visitors:{gate}"


def visit(chat: str) -> str:
    """String: the gate at which a chat waits, and its member in the gate's list."""
    return f"mg:visit:{chat}"


def chat(chat: str) -> str:
    """Hash: a chat's language and how long it is muted."""
    return f"mg:chat:{chat}"


def moved_to(chat: str) -> str:
    """String: the id that a chat got when it moved, for a while."""
    return f"mg:chat-moved-to:{chat}"


def moved_from(chat: str) -> str:
    """String: the id that a chat had before it moved, for a while."""
    return f"mg:chat-moved-from:{chat}"


def staff(gate: str) -> str:
    """Hash: a gate's staff by chat."""
    return f"mg:staff:{gate}"


def staffed(chat: str) -> str:
    """Set: the gates at which a chat has a role."""
    return f"mg:staffed:{chat}"


def pairing_code(code_sha256: str) -> str:
    """String: the role that a pairing code gives, gone when the code is used or expires."""
    return f"mg:pairing-code:{code_sha256}"


def screen_code(code_sha256: str) -> str:
    """String: the key of a screen that waits for an operator, gone when its code expires."""
    return f"mg:screen-code:{code_sha256}"


def screen_link(code_sha256: str) -> str:
    """String: the gate of a one-time link for a screen, gone when it is used or expires."""
    return f"mg:screen-link:{code_sha256}"


def acknowledgement(event_id: UUID) -> str:
    """Hash: who acknowledged an event, and when."""
    return f"mg:acknowledgement:{event_id}"


def digest(gate: str, address: str) -> str:
    """Sorted set: deliveries to one address that wait to go out as one mail."""
    return f"mg:digest:{gate}:{address}"


def digest_sent(gate: str, address: str) -> str:
    """String: when the last mail about a gate was sent to an address."""
    return f"mg:digest-sent:{gate}:{address}"


def digest_lock(gate: str, address: str) -> str:
    """String: the lock of a worker that sends a mail about a gate to an address."""
    return f"mg:digest-lock:{gate}:{address}"


def session(secret_sha256: str) -> str:
    """String: a session of an account, gone when it ends."""
    return f"mg:session:{secret_sha256}"


def sessions(account_id: str) -> str:
    """Set: the sessions of an account, by the hashes of their secrets."""
    return f"mg:sessions:{account_id}"


def commands(device_id: str) -> str:
    """Stream: commands that a device has not acknowledged yet."""
    return f"mg:commands:{device_id}"


def model(sha256: str) -> str:
    """String: the bytes of a model package."""
    return f"mg:model:{sha256}"


def device_log(device_id: str) -> str:
    """String: the log lines that a device sent, for an hour."""
    return f"mg:device-log:{device_id}"


def outage(device_id: str) -> str:
    """String: when (ms) the last heartbeat before a device's outage came."""
    return f"mg:outage:{device_id}"


def preview(gate: str) -> str:
    """Channel: a gate's pictures. Redis keeps no published message, not in its log either."""
    return f"mg:preview:{gate}"


def viewers(gate: str) -> str:
    """Sorted set: viewers of a gate's camera, each until the moment (ms) that is its score."""
    return f"mg:viewers:{gate}"


def preview_asked(gate: str) -> str:
    """String: a note that the gate's devices were asked for pictures a moment ago."""
    return f"mg:preview-asked:{gate}"


def preview_pace(device_id: str) -> str:
    """String: a note that a device has just sent a picture."""
    return f"mg:preview-pace:{device_id}"
