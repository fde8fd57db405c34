"""The bot's commands, and the answer to each."""

from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from typing import Any
from uuid import UUID, uuid5

from pydantic import ValidationError

from cloud import gatekeeping, invitations
from cloud.bot.answering.chat_request import ChatRequest
from cloud.bot.answering.chat_settings import ChatSettings
from cloud.bot.answering.scanning import Scanner, gate_name
from cloud.contract import Channel, Language, NewPass, StaffRole
from cloud.errors import GateClosed, GateUnknown
from cloud.notify.texts import bot_text, closed_text
from cloud.notify.times import zone_at
from cloud.store import Store
from cloud.tokens import tokens_in

_PASSES = UUID("6f0e5f0a-3a5c-4d57-8f6e-0d9e1c4f6a21")
"""Namespace of the ids of passes that chats ask for (RFC 9562 section 5.5)."""

IN_GROUPS = frozenset({"start", "status", "help", "language", "gates", "mute"})
"""Commands that the bot follows in a group; the others need a chat with a single person."""


class Commands:
    """Follows the commands that people send. Safe to be called from several threads.

    Args:
        store: Keeps gates, staff, visitors and passes.
        settings: Follows the commands that change a chat's settings.
        scanner: Follows the command that redeems a pass.
        visitor_wait: How long a visitor waits at a gate for a pass.
        pass_lifetime: How long a pass is valid at a gate that has no lifetime of its own.
        clock: Returns the time now.
        zone: The zone in which times are told at a gate without a zone of its own.
    """

    def __init__(
        self,
        store: Store,
        settings: ChatSettings,
        scanner: Scanner,
        *,
        visitor_wait: timedelta,
        pass_lifetime: timedelta,
        clock: Callable[[], datetime],
        zone: tzinfo,
    ) -> None:
        self._store = store
        self._scanner = scanner
        self._visitor_wait = visitor_wait
        self._pass_lifetime = pass_lifetime
        self._clock = clock
        self._zone = zone
        self._commands: dict[str, Callable[[ChatRequest, Language], str | None]] = {
            "start": self._start,
            "status": self._status,
            "gates": self._gates,
            "mute": settings.mute,
            "pass": self._pass,
            "scan": scanner.scan_text,
            "cancel": self._cancel,
            "language": settings.speak,
            "help": lambda _request, language: bot_text("help", language),
        }

    def follow(self, request: ChatRequest, language: Language) -> str | None:
        """Follow a command or read a text, and return the answer; None where there is none."""
        if request.forwarded and request.command:
            return bot_text("forwarded", language) if request.private else None
        command = self._commands.get(request.command)
        if not request.private and (command is None or request.command not in IN_GROUPS):
            return bot_text("private", language) if command is not None else None
        if command is not None:
            return command(request, language)
        if not request.command and tokens_in(request.text):
            return self._scanner.scan_text(request, language)
        return bot_text("unknown", language)

    def _start(self, request: ChatRequest, language: Language) -> str:
        payload = request.text.strip()
        if not payload:
            gates = self._store.gates.of_address(Channel.TELEGRAM, request.chat)
            return bot_text("start", language, chat=request.chat, gates=gates)
        if not request.private:
            return bot_text("private", language)
        if payload.startswith(invitations.GATE_PREFIX):
            return self._wait(request, payload.removeprefix(invitations.GATE_PREFIX), language)
        member = invitations.pair(
            self._store,
            payload,
            chat=request.chat,
            name=request.name,
            language=language,
            now=self._clock(),
        )
        if member is None:
            return bot_text("unknown_code", language)
        self._store.chats.speak(request.chat, language)
        gate = gate_name(self._store, member.gate)
        return bot_text("paired", language, role=member.role.value, gate=gate)

    def _wait(self, request: ChatRequest, code: str, language: Language) -> str:
        """Let a visitor wait at the gate of a code for a pass."""
        gate_id = self._store.visitors.gate_of(code)
        gate = self._store.gates.get(gate_id) if gate_id is not None else None
        if gate is None:
            return bot_text("unknown_code", language)
        at = self._clock()
        try:
            before = self._store.visitors.join(
                gate.id, request.chat, at, self._visitor_wait, language
            )
        except GateUnknown:
            return bot_text("unknown_code", language)
        until = at + self._visitor_wait
        zone = zone_at(gate, self._zone)
        times: dict[str, Any] = {"zone": zone, "now": at, "until": until}
        if gate.closed:
            closed = closed_text(gate, language, at, zone)
            return bot_text("waiting_closed", language, closed=closed, before=before, **times)
        return bot_text("waiting", language, gate=gate.name, before=before, **times)

    def _status(self, request: ChatRequest, language: Language) -> str:
        at = self._clock()
        place = self._store.visitors.place(request.chat, at)
        waits_at = self._store.gates.get(place[0]) if place is not None else None
        closed = ""
        if waits_at is not None and waits_at.closed:
            closed = closed_text(waits_at, language, at, zone_at(waits_at, self._zone))
        return bot_text(
            "status",
            language,
            zone=self._zone,
            chat=request.chat,
            place=place,
            closed=closed,
            staff=self._store.staff.of_chat(request.chat),
            gates=self._store.gates.of_address(Channel.TELEGRAM, request.chat),
            muted=self._store.chats.muted_until(request.chat, at),
        )

    def _gates(self, request: ChatRequest, language: Language) -> str:
        ids = {member.gate for member in self._store.staff.of_chat(request.chat)}
        ids.update(self._store.gates.of_address(Channel.TELEGRAM, request.chat))
        at = self._clock()
        gates = [
            (gate, self._store.visitors.waiting(gate.id, at))
            for each in sorted(ids)
            if (gate := self._store.gates.get(each)) is not None
        ]
        return bot_text("gates", language, gates=gates)

    def _pass(self, request: ChatRequest, language: Language) -> str | None:
        """Make a pass by hand, and send its code to the chat; None for a repeated message."""
        gates = sorted(
            member.gate
            for member in self._store.staff.of_chat(request.chat)
            if member.role is StaffRole.OPERATOR
        )
        if not gates:
            return bot_text("not_operator", language)
        first, _, rest = request.text.strip().partition(" ")
        named = first.lower() in gates
        gate_id = first.lower() if named else gates[0]
        reason = rest if named else request.text
        try:
            new = NewPass(reason=reason)
        except ValidationError:
            return bot_text("pass_how", language, gates=gates)
        gate = self._store.gates.get(gate_id)
        if gate is None or (len(gates) > 1 and not named):
            return bot_text("pass_how", language, gates=gates)
        try:
            issued = gatekeeping.issue_manual_pass(
                self._store,
                gate,
                gatekeeping.PassIssuer(
                    f"chat:{request.chat}",
                    # An update that Telegram sends twice makes one pass.
                    pass_id=uuid5(_PASSES, f"{request.chat}/{request.message_id}"),
                    chat=request.chat,
                    language=language,
                ),
                reason=new.reason,
                lifetime=gatekeeping.lifetime_at(gate, self._pass_lifetime),
                now=self._clock(),
                zone=self._zone,
            )
        except GateClosed:
            return bot_text("pass_closed", language, gate=gate.name)
        return bot_text("pass_made", language, gate=gate.name) if issued is not None else None

    def _cancel(self, request: ChatRequest, language: Language) -> str:
        gate = self._store.visitors.leave(request.chat)
        if gate is None:
            return bot_text("not_waiting", language)
        return bot_text("cancelled", language, gate=gate_name(self._store, gate))
