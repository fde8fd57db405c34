"""What brings chats to gates: links for visitors, and codes that make staff of a chat."""

from datetime import datetime
from typing import Final
from urllib.parse import parse_qs, urlsplit

from cloud.contract import Channel, Language, StaffMember, StaffRole, Subscriber, Topic, VisitorLink
from cloud.errors import GateUnknown
from cloud.store import Store, subscriber_id

GATE_PREFIX = "gate_"
"""What the payload of a visitor's link starts with; a pairing code has no underscore in it."""


_TELEGRAM: Final = frozenset({"t.me", "telegram.me", "telegram.dog"})
"""Hosts of deep links (https://core.telegram.org/api/links)."""


def deep_link(store: Store, payload: str) -> str | None:
    """Return the address that opens the chat with the bot and says `/start payload` in it.

    None while no bot has started, since its name is not known then
    (https://core.telegram.org/bots/features#deep-linking).
    """
    name = store.chats.bot_name()
    return None if name is None else f"https://t.me/{name}?start={payload}"


def is_visitor_link(text: str) -> bool:
    """Whether a text is what the poster at a gate says: the deep link for its visitors."""
    try:
        parts = urlsplit(text.strip())
        (payload,) = parse_qs(parts.query).get("start", [""])
    except ValueError:
        return False
    at_telegram = (parts.hostname or "").lower() in _TELEGRAM
    return at_telegram and payload.startswith(GATE_PREFIX)


def visitor_link(store: Store, gate: str, now: datetime) -> VisitorLink:
    """Return the link that makes a chat a visitor at a gate."""
    code = store.visitors.code(gate)
    return VisitorLink(
        gate=gate,
        code=code,
        url=deep_link(store, f"{GATE_PREFIX}{code}"),
        waiting=store.visitors.waiting(gate, now),
    )


def pair(
    store: Store, code: str, *, chat: str, name: str, language: Language, now: datetime
) -> StaffMember | None:
    """Make a chat staff by a one-time code; None where the code is no good.

    An operator's chat is told of refusals from then on; whoever wants passes or mails too is
    subscribed like everybody else.
    """
    member = store.staff.pair(code, chat, name, now)
    if member is None:
        return None
    if member.role is StaffRole.OPERATOR:
        operator = Subscriber(
            id=subscriber_id(Channel.TELEGRAM, chat),
            gate=member.gate,
            channel=Channel.TELEGRAM,
            address=chat,
            topics=[Topic.REFUSAL],
            language=language,
            created_at=now,
        )
        try:
            store.gates.subscribe(operator)
        except GateUnknown:
            # The gate was deleted a moment ago, and the role with it.
            return None
        # A chat that had blocked the bot has just written to it.
        store.suspensions.resume(member.gate, subscriber_id(Channel.TELEGRAM, chat))
    store.audit.record(
        actor=f"chat:{chat}",
        act="staff.paired",
        subject=f"role:{member.role.value}",
        gate=member.gate,
        now=now,
    )
    return member


def dismiss(store: Store, gate: str, chat: str) -> bool:
    """Take a chat's role at a gate back, and its alerts; return False if it had none."""
    store.gates.unsubscribe(gate, subscriber_id(Channel.TELEGRAM, chat))
    return store.staff.dismiss(gate, chat)
