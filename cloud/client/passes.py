"""Passes and their redemptions."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from cloud.client.connection import Connection, each
from cloud.client.errors import ApiUnreadable
from cloud.client.pages import Page
from cloud.contract import (
    ManualPass,
    NewPass,
    Outcome,
    PassRecord,
    PassSource,
    PassStatus,
    Redemption,
    RedemptionAttempt,
    RedemptionRequest,
    UndoRequest,
)


class Passes(Connection):
    """Operations on passes."""

    def redeem_pass(self, attempt: RedemptionRequest) -> Redemption:
        """Redeem a pass. A refusal is an outcome and no error; admit on `admitted` alone.

        After ApiUnreachable, try again with the same nonce: it gets the same answer.

        Returns:
            The outcome.
        """
        return self._one(Redemption, "POST", "/v1/passes/redeem", body=attempt)

    def get_pass(self, pass_id: UUID) -> PassRecord:
        """Read a pass as it is now."""
        return self._one(PassRecord, "GET", "/v1/passes/{}", pass_id)

    def list_passes(
        self,
        *,
        gate: str | None = None,
        status: PassStatus | None = None,
        source: PassSource | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        before: str | None = None,
        limit: int | None = None,
    ) -> Page[PassRecord]:
        """Read a page of passes, newest first, never with their tokens.

        Args:
            gate: Of this gate alone.
            status: With this status alone, as it is now.
            source: Of events alone, or manual passes alone.
            since: Made then or later.
            until: Made before then.
            before: The `next` of the page before.
            limit: How many at most, 1 to 200.

        Returns:
            The page.
        """
        return self._page(
            PassRecord,
            "/v1/passes",
            gate=gate,
            status=status,
            source=source,
            since=since,
            until=until,
            before=before,
            limit=limit,
        )

    def iter_passes(
        self,
        *,
        gate: str | None = None,
        status: PassStatus | None = None,
        source: PassSource | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[PassRecord]:
        """Read all passes that `list_passes` filters, newest first."""
        return each(
            lambda cursor: self.list_passes(
                gate=gate,
                status=status,
                source=source,
                since=since,
                until=until,
                before=cursor,
                limit=200,
            )
        )

    def create_pass(self, gate_id: str, new: NewPass) -> ManualPass:
        """Make a manual pass."""
        return self._one(ManualPass, "POST", "/v1/gates/{}/passes", gate_id, body=new)

    def revoke_pass(self, pass_id: UUID) -> None:
        """Revoke a pass."""
        self._ask("DELETE", "/v1/passes/{}", pass_id)

    def undo_redemption(self, pass_id: UUID, undo: UndoRequest) -> PassRecord:
        """Undo a redemption, where the person was admitted and the turnstile did not turn."""
        return self._one(PassRecord, "POST", "/v1/passes/{}/undo", pass_id, body=undo)

    def list_redemptions(
        self,
        *,
        gate: str | None = None,
        outcome: Outcome | None = None,
        scanner: str | None = None,
        pass_: UUID | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        before: str | None = None,
        limit: int | None = None,
    ) -> Page[RedemptionAttempt]:
        """Read a page of the attempts to redeem passes, newest first.

        Args:
            gate: At this gate alone.
            outcome: With this outcome alone.
            scanner: By this key, account or chat alone, as `scanner` names it.
            pass_: Of this pass alone.
            since: Made then or later.
            until: Made before then.
            before: The `next` of the page before.
            limit: How many at most, 1 to 200.

        Returns:
            The page.
        """
        return self._page(
            RedemptionAttempt,
            "/v1/redemptions",
            gate=gate,
            outcome=outcome,
            scanner=scanner,
            **{"pass": None if pass_ is None else str(pass_)},
            since=since,
            until=until,
            before=before,
            limit=limit,
        )

    def iter_redemptions(
        self,
        *,
        gate: str | None = None,
        outcome: Outcome | None = None,
        scanner: str | None = None,
        pass_: UUID | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[RedemptionAttempt]:
        """Read all attempts that `list_redemptions` filters, newest first."""
        return each(
            lambda cursor: self.list_redemptions(
                gate=gate,
                outcome=outcome,
                scanner=scanner,
                pass_=pass_,
                since=since,
                until=until,
                before=cursor,
                limit=200,
            )
        )

    def get_pass_qr_png(self, pass_id: UUID) -> bytes:
        """Read the pass's QR code as a PNG."""
        picture = self._ask("GET", "/v1/passes/{}/qr.png", pass_id).content
        if not picture.startswith(b"\x89PNG\r\n\x1a\n"):
            raise ApiUnreadable("the answer is no PNG")
        return picture

    def get_pass_qr_svg(self, pass_id: UUID) -> bytes:
        """Read the pass's QR code as an SVG."""
        picture = self._ask("GET", "/v1/passes/{}/qr.svg", pass_id).content
        if b"<svg" not in picture:
            raise ApiUnreadable("the answer is no SVG")
        return picture
