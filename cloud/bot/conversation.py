"""What the bot answers. It knows the store and the texts, and nothing of Telegram."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid5

import structlog
from pydantic import ValidationError

from cloud import gatekeeping, invitations
from cloud.audience import delivery_id
from cloud.bot.codes import NotAPicture, read_codes
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
from cloud.posting import ACKNOWLEDGE
from cloud.store import Alert, Store, now
from cloud.tokens import token_in, tokens_in

log = structlog.get_logger("cloud.bot")

_PASSES = UUID("6f0e5f0a-3a5c-4d57-8f6e-0d9e1c4f6a21")
"""Namespace of the ids of passes that chats ask for (RFC 9562 section 5.5)."""

PASSES_AT_ONCE = 10
"""At most so many passes of one photo or text are tried: more are not held before a camera."""

LONGEST_MUTE = timedelta(days=7)
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}

ANYWHERE = frozenset({"start", "status", "help", "language", "gates", "mute"})
"""Commands that a group may give; the rest are for a chat with one person."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a chat said.

    Args:
        command: without its slash; empty for a text that is no command.
        rest: what follows the command, or the text.
        message_id: Telegram's, the same when an update comes twice.
        private: a chat with one person.
    """

    chat: str
    name: str
    language_code: str
    private: bool
    message_id: int
    command: str
    rest: str


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What the press of an alert's button came to: a word to who pressed, and texts to edit."""

    word: str
    edits: list[tuple[Alert, str]]


class Conversation:
    """Answers chats. Safe to be called from several threads."""

    def __init__(
        self,
        store: Store,
        visitor_wait: timedelta,
        pass_lifetime: timedelta,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._store = store
        self._visitor_wait = visitor_wait
        self._pass_lifetime = pass_lifetime
        self._clock = clock
        self._commands: dict[str, Callable[[Said, Language], str | None]] = {
            "start": self._start,
            "status": self._status,
            "gates": self._gates,
            "mute": self._mute,
            "pass": self._pass,
            "scan": self._scan,
            "cancel": self._cancel,
            "language": self._language,
            "help": lambda _said, language: bot_text("help", language),
        }

    def answer(self, said: Said) -> str | None:
        """Return what is answered; None where nothing is."""
        language = spoken(said.language_code)
        try:
            language = self._store.chats.language(said.chat) or language
            return self._answer(said, language)
        except StoreError:
            log.warning("store unavailable")
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
            log.warning("store unavailable")
            return bot_text("unavailable", language)

    def turned_away(self, said: Said) -> str | None:
        """Return what somebody is told whose photos are not looked at; None for staff."""
        language = spoken(said.language_code)
        try:
            language = self._store.chats.language(said.chat) or language
            return None if self._store.staff.of_chat(said.chat) else bot_text("not_staff", language)
        except StoreError:
            log.warning("store unavailable")
            return bot_text("unavailable", language)

    def refuse(self, said: Said, name: str) -> str:
        """Return a sentence that needs nothing looked up but the chat's language."""
        language = spoken(said.language_code)
        try:
            language = self._store.chats.language(said.chat) or language
        except StoreError:
            log.warning("store unavailable")
        return bot_text(name, language)

    def acknowledge(self, said: Said, data: str) -> Acknowledged:
        """Note that somebody takes care of an alert; the first who presses does."""
        language = spoken(said.language_code)
        try:
            language = self._store.chats.language(said.chat) or language
            return self._acknowledge(said, data, language)
        except StoreError:
            log.warning("store unavailable")
            return Acknowledged(bot_text("unavailable", language), [])

    def _answer(self, said: Said, language: Language) -> str | None:
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
        before = self._store.visitors.join(gate.id, said.chat, at, self._visitor_wait, language)
        until = at + self._visitor_wait
        if gate.closed:
            closed = closed_text(gate, language, at)
            return bot_text("waiting_closed", language, closed=closed, before=before, until=until)
        return bot_text("waiting", language, gate=gate.name, before=before, until=until)

    def _status(self, said: Said, language: Language) -> str:
        at = self._clock()
        place = self._store.visitors.place(said.chat, at)
        waited_at = self._store.gates.get(place[0]) if place is not None else None
        return bot_text(
            "status",
            language,
            chat=said.chat,
            place=place,
            closed=closed_text(waited_at, language, at) if waited_at and waited_at.closed else "",
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

    def _mute(self, said: Said, language: Language) -> str:
        asked = said.rest.strip().lower()
        if asked == "off":
            self._store.chats.mute(said.chat, None)
            return bot_text("unmuted", language)
        length = duration(asked)
        if length is None:
            return bot_text("mute_how", language)
        until = self._clock() + length
        self._store.chats.mute(said.chat, until)
        return bot_text("muted", language, until=until)

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
            issued = gatekeeping.issue_by_hand(
                self._store,
                gate,
                gatekeeping.Maker(
                    f"chat:{said.chat}",
                    # An update that Telegram sends twice is one pass.
                    pass_id=uuid5(_PASSES, f"{said.chat}/{said.message_id}"),
                    chat=said.chat,
                    language=language,
                ),
                reason=wanted.reason,
                lifetime=gatekeeping.lifetime_at(gate, self._pass_lifetime),
                now=self._clock(),
            )
        except GateClosed:
            return bot_text("pass_closed", language, gate=gate.name)
        return bot_text("pass_made", language, gate=gate.name) if issued is not None else None

    def _cancel(self, said: Said, language: Language) -> str:
        gate = self._store.visitors.leave(said.chat)
        if gate is None:
            return bot_text("not_waiting", language)
        return bot_text("cancelled", language, gate=self._name(gate))

    def _language(self, said: Said, language: Language) -> str:
        try:
            chosen = Language(said.rest.strip().lower())
        except ValueError:
            return bot_text("language_how", language)
        self._store.chats.speak(said.chat, chosen)
        return bot_text("language", chosen)

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
            at=redemption.redeemed_at,
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
                redemption = gatekeeping.redeem(
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

    def _acknowledge(self, said: Said, data: str, language: Language) -> Acknowledged:
        event_id = event_in(data)
        event = self._store.events.get(event_id, self._clock()) if event_id is not None else None
        if event is None:
            return Acknowledged(bot_text("stale", language), [])
        told = [
            subscriber
            for subscriber in self._store.gates.subscribers(event.gate)
            if subscriber.channel is Channel.TELEGRAM
        ]
        if said.chat not in {subscriber.address for subscriber in told}:
            return Acknowledged(bot_text("not_yours", language), [])
        by, at = self._store.deliveries.acknowledge(event.id, said.name, self._clock())
        ids = [delivery_id(event.id, subscriber.id) for subscriber in told]
        alerts = self._store.deliveries.acknowledged(ids, by, at)
        spoken_by = {subscriber.address: subscriber.language for subscriber in told}
        edits = [
            (
                alert,
                bot_text("acknowledged", spoken_by[alert.chat], text=alert.text, by=by, at=at),
            )
            for alert in alerts
        ]
        return Acknowledged(bot_text("taken", language, by=by, at=at), edits)

    def _name(self, gate_id: str) -> str:
        gate = self._store.gates.get(gate_id)
        return gate.name if gate is not None else gate_id


def spoken(language_code: str) -> Language:
    """Return what a person is spoken to in, by the IETF language tag of their Telegram."""
    primary = language_code.lower().partition("-")[0]
    return Language(primary) if primary in set(Language) else Language.EN


def duration(text: str) -> timedelta | None:
    """Return how long `30m`, `2h` or `1d` is; None where it is nothing of the kind, or too long."""
    match = re.fullmatch(r"([0-9]{1,4})\s*([mhd])(?:in|ours?|ays?)?", text)
    if match is None:
        return None
    length = int(match[1]) * _UNITS[match[2]]
    return length if timedelta() < length <= LONGEST_MUTE else None


def event_in(data: str) -> UUID | None:
    """Return the event that a button's data names; anybody may send any data."""
    if not data.startswith(ACKNOWLEDGE):
        return None
    try:
        return UUID(data.removeprefix(ACKNOWLEDGE))
    except ValueError:
        return None
