"""Passes: looked up, redeemed, undone, revoked, made by hand."""

from uuid import UUID

from cloud.client.connection import Connection
from cloud.client.errors import ApiUnreadable
from cloud.contract import (
    ManualPass,
    NewPass,
    PassRecord,
    Redemption,
    RedemptionRequest,
    UndoRequest,
)


class Passes(Connection):
    """Operations on passes."""

    def redeem_pass(self, attempt: RedemptionRequest) -> Redemption:
        """Try to enter. A refusal is an outcome and no error; let in on `admitted` alone.

        After ApiUnreachable ask again with the same nonce: it gets the same answer.
        """
        return self._one(Redemption, "POST", "/v1/passes/redeem", body=attempt)

    def get_pass(self, pass_id: UUID) -> PassRecord:
        """Read a pass as it is now."""
        return self._one(PassRecord, "GET", "/v1/passes/{}", pass_id)

    def create_pass(self, gate_id: str, new: NewPass) -> ManualPass:
        """Make a pass by hand."""
        return self._one(ManualPass, "POST", "/v1/gates/{}/passes", gate_id, body=new)

    def revoke_pass(self, pass_id: UUID) -> None:
        """Take a pass back."""
        self._ask("DELETE", "/v1/passes/{}", pass_id)

    def undo_redemption(self, pass_id: UUID, undo: UndoRequest) -> PassRecord:
        """Take a redemption back: the person was admitted, and the turnstile did not turn."""
        return self._one(PassRecord, "POST", "/v1/passes/{}/undo", pass_id, body=undo)

    def get_pass_qr_png(self, pass_id: UUID) -> bytes:
        """Read the pass's QR code as a PNG."""
        picture = self._ask("GET", "/v1/passes/{}/qr.png", pass_id).content
        if not picture.startswith(b"\x89PNG\r\n\x1a\n"):
            raise ApiUnreadable("where a PNG was due, something else came")
        return picture

    def get_pass_qr_svg(self, pass_id: UUID) -> bytes:
        """Read the pass's QR code as an SVG."""
        picture = self._ask("GET", "/v1/passes/{}/qr.svg", pass_id).content
        if b"<svg" not in picture:
            raise ApiUnreadable("where an SVG was due, something else came")
        return picture
