"""Scanning: gate staff redeem passes by a photo of a QR code, or by a text that holds a token."""

from collections.abc import Callable
from datetime import datetime, tzinfo

from cloud import invitations
from cloud.bot.answering.chat_request import ChatRequest
from cloud.bot.answering.qr_reader import UnreadablePicture, read_qr_codes
from cloud.contract import Language, Outcome, Redemption, StaffMember
from cloud.errors import GateUnknown
from cloud.gatekeeping import Scan
from cloud.gatekeeping.blocking import redeem_in_thread
from cloud.notify.texts import bot_text
from cloud.notify.times import in_short, zone_at
from cloud.store import Store
from cloud.tokens import token_in, tokens_in

TOKENS_AT_ONCE = 10
"""The most tokens of one photo or text that are tried: nobody holds up more codes at a time."""


class Scanner:
    """Redeems the passes that gate staff scan. Safe to be called from several threads.

    Args:
        store: Keeps passes, gates and staff.
        clock: Returns the time now.
        zone: The zone in which times are told at a gate without a zone of its own.
    """

    def __init__(self, store: Store, clock: Callable[[], datetime], zone: tzinfo) -> None:
        self._store = store
        self._clock = clock
        self._zone = zone

    def scan_photo(self, request: ChatRequest, picture: bytes, language: Language) -> str:
        """Redeem the pass in a photo, and return the answer."""
        staff = self._store.staff.of_chat(request.chat)
        if not staff:
            return bot_text("not_staff", language)
        try:
            texts = read_qr_codes(picture)
        except UnreadablePicture:
            return bot_text("no_picture", language)
        if not texts:
            return bot_text("no_code", language)
        return self._redeem_first_good(request, staff, texts, language)

    def scan_text(self, request: ChatRequest, language: Language) -> str:
        """Redeem the pass in a text, and return the answer."""
        staff = self._store.staff.of_chat(request.chat)
        if not staff:
            return bot_text("not_staff", language)
        if not request.text.strip():
            return bot_text("scan_how", language)
        return self._redeem_first_good(request, staff, [request.text], language)

    def _redeem_first_good(
        self, request: ChatRequest, staff: list[StaffMember], texts: list[str], language: Language
    ) -> str:
        """Redeem the first valid pass of several, and no other, since each is for one person.

        Args:
            request: The request of the person who scans.
            staff: The person's roles at gates.
            texts: The scanned texts. Where none of them holds a token, the first text counts as an
                attempt, too.
            language: The language of the answer.

        Returns:
            The answer. It is about the valid pass, or about the first attempt where none is valid.
        """
        tokens = list(dict.fromkeys(each for text in texts for each in tokens_in(text)))
        attempts = []
        for scanned in tokens[:TOKENS_AT_ONCE] or texts[:1]:
            attempt = self._redeem(request, staff, scanned)
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
            gate=gate_name(self._store, gate),
            at=self._time_at(gate, redemption.redeemed_at),
            where=gate_name(self._store, redemption.redeemed_gate or gate),
        )
        if len(tokens) > 1:
            about = bot_text("several", language, passes=len(tokens), admitted=admitted)
            return f"{answer}\n{about}"
        return answer

    def _redeem(
        self, request: ChatRequest, staff: list[StaffMember], scanned: str
    ) -> tuple[str, Redemption] | None:
        """Redeem at the pass's gate where the person is staff there, else at their first gate.

        Args:
            request: The request of the person who scans.
            staff: The person's roles at gates.
            scanned: The scanned text.

        Returns:
            The gate and the redemption; None where all these gates were deleted.
        """
        token = token_in(scanned)
        held = self._store.passes.of_token(token) if token is not None else None
        of_pass = held.gate if held is not None else None
        for member in [each for each in staff if each.gate == of_pass] or staff:
            gate = member.gate
            try:
                scan = Scan(
                    scanned,
                    nonce=f"chat{request.chat}-{request.message_id}",
                    gate=gate,
                    key_id=f"chat{request.chat}",
                    name=member.name,
                    role=member.role.value,
                )
                redemption = redeem_in_thread(self._store, scan, self._clock())
            except GateUnknown:
                continue  # The gate was deleted while the chat was its staff.
            if redemption.pass_id is not None:
                self._store.audit.record(
                    actor=f"chat:{request.chat}",
                    act=f"pass.scanned.{redemption.outcome.value}",
                    subject=f"pass:{redemption.pass_id}",
                    gate=gate,
                    now=self._clock(),
                )
            return gate, redemption
        return None

    def _time_at(self, gate_id: str, moment: datetime | None) -> str:
        """Return a time as people at a gate read it; nothing for None."""
        if moment is None:
            return ""
        zone = zone_at(self._store.gates.get(gate_id), self._zone)
        return in_short(moment, zone, self._clock())


def gate_name(store: Store, gate_id: str) -> str:
    """Return a gate's name; its id where the gate was deleted."""
    gate = store.gates.get(gate_id)
    return gate.name if gate is not None else gate_id
