"""What a chat may set for itself: how long its alerts are muted, and what it is spoken to in.

In a group that is for operators of a gate that the group is told of, and for the group's
administrators in Telegram: alerts are for everybody there, and one member must not silence them.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo

from cloud.bot.said import Said
from cloud.contract import Channel, Language, StaffRole
from cloud.notify.texts import bot_text
from cloud.store import Store

LONGEST_MUTE = timedelta(days=7)
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}

GOVERNED = frozenset({"mute", "language"})
"""Commands that not every member of a group may give."""


class ChatSettings:
    """Changes chats' settings. Each change in a chat that is told of a gate is audited.

    Args:
        store: keeps the settings.
        clock: the time.
        zone: in which times are told.
    """

    def __init__(self, store: Store, clock: Callable[[], datetime], zone: tzinfo = UTC) -> None:
        self._store = store
        self._zone = zone
        self._clock = clock

    def asks_for_administrator(self, said: Said) -> bool:
        """Return whether it matters if who said this administers the group."""
        return not said.private and said.command in GOVERNED and not self._is_operator(said)

    def mute(self, said: Said, language: Language) -> str:
        """Mute a chat's alerts, or let them through again; return what is answered."""
        asked = said.rest.strip().lower()
        length = duration(asked)
        if length is None and asked != "off":
            return bot_text("mute_how", language)
        refusal = self._refused(said, language)
        if refusal is not None:
            return refusal
        if length is None:
            self._store.chats.mute(said.chat, None)
            self._audit(said, "chat.unmuted")
            return bot_text("unmuted", language)
        until = self._clock() + length
        self._store.chats.mute(said.chat, until)
        self._audit(said, "chat.muted", f"until {until:%Y-%m-%d %H:%M} UTC ({asked})")
        return bot_text("muted", language, zone=self._zone, until=until)

    def speak(self, said: Said, language: Language) -> str:
        """Change what a chat is spoken to in; return what is answered."""
        try:
            chosen = Language(said.rest.strip().lower())
        except ValueError:
            return bot_text("language_how", language)
        refusal = self._refused(said, language)
        if refusal is not None:
            return refusal
        self._store.chats.speak(said.chat, chosen)
        self._audit(said, "chat.language_changed", f"to {chosen.value}")
        return bot_text("language", chosen)

    def _is_operator(self, said: Said) -> bool:
        if not said.person:
            return False
        told_of = self._gates(said)
        return any(
            member.role is StaffRole.OPERATOR and member.gate in told_of
            for member in self._store.staff.of_chat(said.person)
        )

    def _refused(self, said: Said, language: Language) -> str | None:
        if said.private or said.administrator or self._is_operator(said):
            return None
        return bot_text("not_known" if said.administrator is None else "not_ruler", language)

    def _audit(self, said: Said, act: str, detail: str = "") -> None:
        for gate in self._gates(said):
            self._store.audit.record(
                actor=said.actor,
                act=act,
                subject=f"chat:{said.chat}",
                gate=gate,
                detail=f"{detail}, by {said.name}" if detail else f"by {said.name}",
                now=self._clock(),
            )

    def _gates(self, said: Said) -> list[str]:
        return self._store.gates.of_address(Channel.TELEGRAM, said.chat)


def duration(text: str) -> timedelta | None:
    """Return how long `30m`, `2h` or `1d` is; None where it is nothing of the kind, or too long."""
    match = re.fullmatch(r"([0-9]{1,4})\s*([mhd])(?:in|ours?|ays?)?", text)
    if match is None:
        return None
    length = int(match[1]) * _UNITS[match[2]]
    return length if timedelta() < length <= LONGEST_MUTE else None
