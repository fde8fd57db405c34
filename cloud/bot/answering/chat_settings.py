"""The settings of a chat that its people may change: muted alerts, and the chat's language.

Alerts are for everybody in a group, and one member must not silence them. So in a group only its
administrators in Telegram may change settings, and the operators of a gate whose alerts it gets.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo

from cloud.bot.answering.chat_request import ChatRequest
from cloud.contract import Channel, Language, StaffRole
from cloud.notify.texts import bot_text
from cloud.store import Store

LONGEST_MUTE = timedelta(days=7)
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}

RESTRICTED = frozenset({"mute", "language"})
"""Commands that in a group need an administrator or an operator."""


class ChatSettings:
    """Changes chats' settings; the audit trail has each change in a chat that gets a gate's alerts.

    Args:
        store: Keeps the settings.
        clock: Returns the time now.
        zone: The zone in which times are told.
    """

    def __init__(self, store: Store, clock: Callable[[], datetime], zone: tzinfo = UTC) -> None:
        self._store = store
        self._zone = zone
        self._clock = clock

    def needs_administrator(self, request: ChatRequest) -> bool:
        """Return whether the answer depends on whether the person administers the group."""
        return (
            not request.private and request.command in RESTRICTED and not self._is_operator(request)
        )

    def mute(self, request: ChatRequest, language: Language) -> str:
        """Mute a chat's alerts, or end that, and return the answer."""
        asked = request.text.strip().lower()
        length = duration(asked)
        if length is None and asked != "off":
            return bot_text("mute_how", language)
        refusal = self._refusal(request, language)
        if refusal is not None:
            return refusal
        if length is None:
            self._store.chats.mute(request.chat, None)
            self._audit(request, "chat.unmuted")
            return bot_text("unmuted", language)
        until = self._clock() + length
        self._store.chats.mute(request.chat, until)
        self._audit(request, "chat.muted", f"until {until:%Y-%m-%d %H:%M} UTC ({asked})")
        return bot_text("muted", language, zone=self._zone, until=until)

    def speak(self, request: ChatRequest, language: Language) -> str:
        """Change the chat's language, and return the answer."""
        try:
            chosen = Language(request.text.strip().lower())
        except ValueError:
            return bot_text("language_how", language)
        refusal = self._refusal(request, language)
        if refusal is not None:
            return refusal
        self._store.chats.speak(request.chat, chosen)
        self._audit(request, "chat.language_changed", f"to {chosen.value}")
        return bot_text("language", chosen)

    def _is_operator(self, request: ChatRequest) -> bool:
        if not request.person:
            return False
        gates = self._gates(request)
        return any(
            member.role is StaffRole.OPERATOR and member.gate in gates
            for member in self._store.staff.of_chat(request.person)
        )

    def _refusal(self, request: ChatRequest, language: Language) -> str | None:
        if request.private or request.administrator or self._is_operator(request):
            return None
        return bot_text("not_known" if request.administrator is None else "not_ruler", language)

    def _audit(self, request: ChatRequest, act: str, detail: str = "") -> None:
        for gate in self._gates(request):
            self._store.audit.record(
                actor=request.actor,
                act=act,
                subject=f"chat:{request.chat}",
                gate=gate,
                detail=f"{detail}, by {request.name}" if detail else f"by {request.name}",
                now=self._clock(),
            )

    def _gates(self, request: ChatRequest) -> list[str]:
        return self._store.gates.of_address(Channel.TELEGRAM, request.chat)


def duration(text: str) -> timedelta | None:
    """Return the duration of a text like `30m`, `2h` or `1d`; None for another, or a longer one."""
    match = re.fullmatch(r"([0-9]{1,4})\s*([mhd])(?:in|ours?|ays?)?", text)
    if match is None:
        return None
    length = int(match[1]) * _UNITS[match[2]]
    return length if timedelta() < length <= LONGEST_MUTE else None
