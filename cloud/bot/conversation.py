"""What the bot answers. It knows the store and the texts, and nothing of Telegram."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from uuid import UUID, uuid5

import structlog
from pydantic import ValidationError

from cloud import gatekeeping, invitations, redeeming
from cloud.bot.alert_button import Acknowledged, press
from cloud.bot.chat_settings import ChatSettings
from cloud.bot.codes import NotAPicture, read_codes
from cloud.bot.said import Said, spoken
from cloud.contract import (
    Channel,
    Language,
    NewPass,
    Outcome,
    Redemption,
    StaffMember,
    StaffRole,
)
from cloud.errors import GateClosed, GateUnknown, StoreError
from cloud.notify.texts import bot_text, closed_text
from cloud.notify.times import in_short, zone_at
from cloud.store import Store, now, subscriber_id
from cloud.tokens import token_in, tokens_in

__all__ = ["Conversation", "Said"]

log = structlog.get_logger("cloud.bot")

_PASSES = UUID("6f0e5f0a-3a5c-4d57-8f6e-0d9e1c4f6a21")
"""Namespace of the ids of passes that chats ask for (RFC 9562 section 5.5)."""

PASSES_AT_ONCE = 10
"""At most so many passes of one photo or text are tried: more are not held before a camera."""

BOT_REMOVED = "the bot was blocked, or removed from the chat"

ANYWHERE = frozenset({"start", "status", "help", "language", "gates", "mute"})
"""Commands that a group may give; the rest are for a chat with one person."""


class Conversation:
    """Answers chats. Safe to be called from several threads."""

    def __init__(
        self,
        store: Store,
        visitor_wait: timedelta,
        pass_lifetime: timedelta,
        clock: Callable[[], datetime] = now,
        zone: tzinfo = UTC,
    ) -> None:
        self._store = store
        self._visitor_wait = visitor_wait
        self._pass_lifetime = pass_lifetime
        self._clock = clock
        self._zone = zone
        self._settings = ChatSettings(store, clock, zone)
        self._commands: dict[str, Callable[[Said, Language], str | None]] = {
            "start": self._start,
            "status": self._status,
            "gates": self._gates,
            "mute": self._settings.mute,
            "pass": self._pass,
            "scan": self._scan,
            "cancel": self._cancel,
            "language": self._settings.speak,
            "help": lambda _said, language: bot_text("help", language),
        }

    def answer(self, said: Said) -> str | None:
        """Return what is answered; None where nothing is."""
        language = spoken(said.language_code)
        try:
            language = self._store.chats.language(said.chat) or language
            return self._answer(said, language)
        except StoreError:
            log.warning("store_unavailable")
            return bot_text("unavailable", language)

    def look(self, said: Said, picture: bytes) -> str:
        """Return what a guard is told of a photo of a code."""
        language = spoken(said.language_code)
        try:
            language = self._store.chats.language(said.chat) or language
            staff = self._store.staff.of_chat(said.chat)
            if not staff:
                return bot_text("not_staff", language)
            try:
                texts = read_codes(picture)
            except NotAPicture:
                return bot_text("no_picture", language)
            if not texts:
                return bot_text("no_code", language)
            return self._redeemed(said, staff, texts, language)
        except StoreError:
            log.warning("store_unavailable")
            return bot_text("unavailable", language)

    def turned_away(self, said: Said) -> str | None:
        """Return what somebody is told whose photos are not looked at; None for staff."""
        language = spoken(said.language_code)
        try:
            language = self._store.chats.language(said.chat) or language
            return None if self._store.staff.of_chat(said.chat) else bot_text("not_staff", language)
        except StoreError:
            log.warning("store_unavailable")
            return bot_text("unavailable", language)

    def refuse(self, said: Said, name: str) -> str:
        """Return a sentence that needs nothing looked up but the chat's language."""
        language = spoken(said.language_code)
        try:
            language = self._store.chats.language(said.chat) or language
        except StoreError:
            log.warning("store_unavailable")
        return bot_text(name, language)

    def acknowledge(self, said: Said, data: str) -> Acknowledged:
        """Note that somebody takes care of an alert; the first who presses does."""
        language = spoken(said.language_code)
        try:
            language = self._store.chats.language(said.chat) or language
            return press(self._store, said, data, language, self._clock(), zone=self._zone)
        except StoreError:
            log.warning("store_unavailable")
            return Acknowledged(bot_text("unavailable", language), [])

    def asks_for_administrator(self, said: Said) -> bool:
        """Return whether it matters if who said this administers the group."""
        try:
            return self._settings.asks_for_administrator(said)
        except StoreError:
            log.warning("store_unavailable")
            return False

    def move(self, old: str, new: str) -> None:
        """Let what is kept of a chat follow it to its new id."""
        try:
            moved = self._store.migration.move(old, new, self._clock())
        except StoreError as error:
            # The worker that next writes to the old id is told of the new one, too.
            log.warning("chat_not_migrated", old=old, new=new, reason=str(error))
            return
        log.info("chat_migrated", old=old, new=new, moved=moved)

    def leave(self, chat: str) -> None:
        """Tell a chat nothing more that has blocked or removed the bot."""
        try:
            self._store.visitors.leave(chat)
            for gate in self._store.gates.of_address(Channel.TELEGRAM, chat):
                subscriber = subscriber_id(Channel.TELEGRAM, chat)
                self._store.suspensions.refused(
                    gate, subscriber, BOT_REMOVED, self._clock(), at_once=True
                )
        except StoreError as error:
            log.warning("chat_not_suspended", chat=chat, reason=str(error))
            return
        log.info("bot_removed", chat=chat)

    def come_back(self, chat: str) -> None:
        """Take a chat up again whose subscriptions `leave` suspended."""
        try:
            for gate in self._store.gates.of_address(Channel.TELEGRAM, chat):
                held = self._store.gates.subscriber(gate, subscriber_id(Channel.TELEGRAM, chat))
                if held is None or held.suspended_reason != BOT_REMOVED:
                    continue
                self._store.suspensions.resume(gate, held.id)
                self._store.audit.record(
                    actor=f"chat:{chat}",
                    act="subscriber.resumed",
                    subject=f"subscriber:{held.id}",
                    gate=gate,
                    now=self._clock(),
                )
        except StoreError as error:
            log.warning("chat_not_resumed", chat=chat, reason=str(error))
            return
        log.info("bot_added", chat=chat)

    def show_later(self, event_id: UUID) -> None:
        """Let a worker show in an event's alerts who takes care of it."""
        try:
            self._store.deliveries.show_acknowledgement(event_id, self._clock())
        except StoreError as error:
            log.warning("acknowledgement_not_shown", event_id=str(event_id), reason=str(error))

    def _answer(self, said: Said, language: Language) -> str | None:
        if said.forwarded and said.command:
            return bot_text("forwarded", language) if said.private else None
        command = self._commands.get(said.command)
        if not said.private and (command is None or said.command not in ANYWHERE):
            return bot_text("private", language) if command is not None else None
        if command is not None:
            return command(said, language)
        if not said.command and tokens_in(said.rest):
            return self._scan(said, language)
        return bot_text("unknown", language)

    def _start(self, said: Said, language: Language) -> str:
        payload = said.rest.strip()
        if not payload:
            gates = self._store.gates.of_address(Channel.TELEGRAM, said.chat)
            return bot_text("start", language, chat=said.chat, gates=gates)
        if not said.private:
            return bot_text("private", language)
        if payload.startswith(invitations.GATE_PREFIX):
            return self._wait(said, payload.removeprefix(invitations.GATE_PREFIX), language)
        member = invitations.pair(
            self._store,
            payload,
            chat=said.chat,
            name=said.name,
            language=language,
            now=self._clock(),
        )
        if member is None:
            return bot_text("unknown_code", language)
        self._store.chats.speak(said.chat, language)
        return bot_text("paired", language, role=member.role.value, gate=self._name(member.gate))

    def _wait(self, said: Said, code: str, language: Language) -> str:
        gate_id = self._store.visitors.gate_of(code)
        gate = self._store.gates.get(gate_id) if gate_id is not None else None
        if gate is None:
            return bot_text("unknown_code", language)
        at = self._clock()
        try:
            before = self._store.visitors.join(gate.id, said.chat, at, self._visitor_wait, language)
        except GateUnknown:
            return bot_text("unknown_code", language)
        until = at + self._visitor_wait
        zone = zone_at(gate, self._zone)
        times: dict[str, Any] = {"zone": zone, "now": at, "until": until}
        if gate.closed:
            closed = closed_text(gate, language, at, zone)
            return bot_text("waiting_closed", language, closed=closed, before=before, **times)
        return bot_text("waiting", language, gate=gate.name, before=before, **times)

    def _status(self, said: Said, language: Language) -> str:
        at = self._clock()
        place = self._store.visitors.place(said.chat, at)
        waited_at = self._store.gates.get(place[0]) if place is not None else None
        closed = ""
        if waited_at is not None and waited_at.closed:
            closed = closed_text(waited_at, language, at, zone_at(waited_at, self._zone))
        return bot_text(
            "status",
            language,
            zone=self._zone,
            chat=said.chat,
            place=place,
            closed=closed,
            staff=self._store.staff.of_chat(said.chat),
            gates=self._store.gates.of_address(Channel.TELEGRAM, said.chat),
            muted=self._store.chats.muted_until(said.chat, at),
        )

    def _gates(self, said: Said, language: Language) -> str:
        ids = {member.gate for member in self._store.staff.of_chat(said.chat)}
        ids.update(self._store.gates.of_address(Channel.TELEGRAM, said.chat))
        at = self._clock()
        gates = [
            (gate, self._store.visitors.waiting(gate.id, at))
            for each in sorted(ids)
            if (gate := self._store.gates.get(each)) is not None
        ]
        return bot_text("gates", language, gates=gates)

    def _scan(self, said: Said, language: Language) -> str:
        staff = self._store.staff.of_chat(said.chat)
        if not staff:
            return bot_text("not_staff", language)
        if not said.rest.strip():
            return bot_text("scan_how", language)
        return self._redeemed(said, staff, [said.rest], language)

    def _pass(self, said: Said, language: Language) -> str | None:
        """Make a pass by hand and send its code here; None where this message came before."""
        gates = sorted(
            member.gate
            for member in self._store.staff.of_chat(said.chat)
            if member.role is StaffRole.OPERATOR
        )
        if not gates:
            return bot_text("not_operator", language)
        first, _, rest = said.rest.strip().partition(" ")
        named = first.lower() in gates
        at = first.lower() if named else gates[0]
        reason = rest if named else said.rest
        try:
            wanted = NewPass(reason=reason)
        except ValidationError:
            return bot_text("pass_how", language, gates=gates)
        gate = self._store.gates.get(at)
        if gate is None or (len(gates) > 1 and not named):
            return bot_text("pass_how", language, gates=gates)
        try:
            issued = gatekeeping.issue_manual_pass(
                self._store,
                gate,
                gatekeeping.PassIssuer(
                    f"chat:{said.chat}",
                    # An update that Telegram sends twice is one pass.
                    pass_id=uuid5(_PASSES, f"{said.chat}/{said.message_id}"),
                    chat=said.chat,
                    language=language,
                ),
                reason=wanted.reason,
                lifetime=gatekeeping.lifetime_at(gate, self._pass_lifetime),
                now=self._clock(),
                zone=self._zone,
            )
        except GateClosed:
            return bot_text("pass_closed", language, gate=gate.name)
        return bot_text("pass_made", language, gate=gate.name) if issued is not None else None

    def _cancel(self, said: Said, language: Language) -> str:
        gate = self._store.visitors.leave(said.chat)
        if gate is None:
            return bot_text("not_waiting", language)
        return bot_text("cancelled", language, gate=self._name(gate))

    def _redeemed(
        self, said: Said, staff: list[StaffMember], texts: list[str], language: Language
    ) -> str:
        """Redeem the first good pass among what was scanned, and no other: each is a person's.

        Where none is good, the answer is about the first. A text without a token is an attempt
        too, where nothing else was scanned.
        """
        tokens = list(dict.fromkeys(each for text in texts for each in tokens_in(text)))
        attempts = []
        for scanned in tokens[:PASSES_AT_ONCE] or texts[:1]:
            attempt = self._attempted(said, staff, scanned)
            if attempt is not None:
                attempts.append(attempt)
                if attempt[1].outcome is Outcome.ADMITTED:
                    break
        if not attempts:
            return bot_text("gate_gone", language, gate=staff[0].gate)
        admitted = attempts[-1][1].outcome is Outcome.ADMITTED
        gate, redemption = attempts[-1] if admitted else attempts[0]
        if not tokens and any(map(invitations.is_visitor_link, texts)):
            return bot_text("poster", language)
        answer = bot_text(
            f"outcome_{redemption.outcome.value}",
            language,
            gate=self._name(gate),
            at=self._told(redemption.redeemed_at, gate),
            where=self._name(redemption.redeemed_gate or gate),
        )
        if len(tokens) > 1:
            about = bot_text("several", language, passes=len(tokens), admitted=admitted)
            return f"{answer}\n{about}"
        return answer

    def _attempted(
        self, said: Said, staff: list[StaffMember], scanned: str
    ) -> tuple[str, Redemption] | None:
        """Redeem at the gate that the pass is for, if the chat is staff there, else at its first.

        Returns the gate and what came of it; None where the gates are gone.
        """
        token = token_in(scanned)
        held = self._store.passes.of_token(token) if token is not None else None
        of_pass = held.gate if held is not None else None
        for member in [each for each in staff if each.gate == of_pass] or staff:
            gate = member.gate
            try:
                redemption = redeeming.redeem(
                    self._store,
                    scanned=scanned,
                    nonce=f"chat{said.chat}-{said.message_id}",
                    gate=gate,
                    key_id=f"chat{said.chat}",
                    now=self._clock(),
                    name=member.name,
                    role=member.role.value,
                )
            except GateUnknown:
                continue  # The gate was deleted while the chat was its staff.
            if redemption.pass_id is not None:
                self._store.audit.record(
                    actor=f"chat:{said.chat}",
                    act=f"pass.scanned.{redemption.outcome.value}",
                    subject=f"pass:{redemption.pass_id}",
                    gate=gate,
                    now=self._clock(),
                )
            return gate, redemption
        return None

    def _told(self, moment: datetime | None, gate_id: str) -> str:
        """Return a moment as people at a gate read it; nothing where there is none."""
        return in_short(moment, self._zone_of(gate_id), self._clock()) if moment else ""

    def _zone_of(self, gate_id: str) -> tzinfo:
        return zone_at(self._store.gates.get(gate_id), self._zone)

    def _name(self, gate_id: str) -> str:
        gate = self._store.gates.get(gate_id)
        return gate.name if gate is not None else gate_id
