"""Invitations: links that make a chat a visitor at a gate, and codes that make a chat staff."""

from datetime import datetime
from typing import Final
from urllib.parse import parse_qs, urlsplit

from cloud.contract import Channel, Language, StaffMember, StaffRole, Subscriber, Topic, VisitorLink
from cloud.errors import GateUnknown
from cloud.store import Store, subscriber_id

GATE_PREFIX = "gate_"
"""Start of the payload of a visitor's link; a pairing code holds no underscore."""

_TELEGRAM: Final = frozenset({"t.me", "telegram.me", "telegram.dog"})
"""Hosts of deep links (https://core.telegram.org/api/links)."""


def deep_link(store: Store, payload: str) -> str | None:
    """Return the address that opens the chat with the bot and sends `/start payload`.

    The format is that of https://core.telegram.org/bots/features#deep-linking.

    Args:
        store: The store, which knows the bot's name.
        payload: What follows `/start`.

    Returns:
        The address; None until a bot has started for the first time, which is when its name is
        learned.
    """
    name = store.chats.bot_name()
    return None if name is None else f"https://t.me/{name}?start={payload}"


def is_visitor_link(text: str) -> bool:
    """Return whether a text is the link of a gate's poster, by which visitors come to the gate."""
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
    """Make a chat staff of a gate by a one-time code.

    From then on, an operator's chat is told of refusals. Whoever wants passes or mails as well is
    subscribed like everybody else.

    Args:
        store: The store.
        code: The code, as a person sent it.
        chat: The chat's id.
        name: The person's name in Telegram.
        language: The language of the chat.
        now: The current time.

    Returns:
        The member of staff; None where the code is unknown or has expired, or the gate is deleted.
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
            # The gate was deleted a moment ago, and its staff with it.
            return None
        # The chat may have been suspended for blocking the bot. It has just written to the bot.
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
    """End a chat's role at a gate, and its alerts; return whether it had a role there."""
    store.gates.unsubscribe(gate, subscriber_id(Channel.TELEGRAM, chat))
    return store.staff.dismiss(gate, chat)
