"""Gates, their settings, codes and staff."""

from collections.abc import Iterator

from cloud.client.connection import Connection, each
from cloud.client.errors import ApiUnreadable
from cloud.client.pages import Page
from cloud.contract import (
    DeviceSettings,
    EnrolmentCode,
    Gate,
    GateChange,
    GateSettings,
    NewGate,
    NewPairingCode,
    PairingCode,
    StaffMember,
    VisitorLink,
)


class Gates(Connection):
    """Operations on gates."""

    def list_gates(self, *, limit: int | None = None, after: str | None = None) -> Page[Gate]:
        """Read all gates that the key may read.

        Args:
            limit: How many at most, 1 to 200; None: all, up to 10,000.
            after: The `next` of the page before.

        Returns:
            The page.
        """
        return self._list(Gate, "/v1/gates", limit=limit, after=after)

    def iter_gates(self) -> Iterator[Gate]:
        """Read all gates, page after page."""
        return each(lambda cursor: self.list_gates(after=cursor))

    def create_gate(self, new: NewGate) -> Gate:
        """Make a gate."""
        return self._one(Gate, "POST", "/v1/gates", body=new)

    def change_gate(self, gate_id: str, change: GateChange) -> Gate:
        """Rename, close or open a gate, or give its passes another lifetime."""
        return self._one(Gate, "PATCH", "/v1/gates/{}", gate_id, body=change)

    def delete_gate(self, gate_id: str, *, force: bool = False, reason: str = "") -> None:
        """Delete a gate for ever; its id is never used again.

        Args:
            gate_id: The gate's id.
            force: Delete what belongs to the gate too.
            reason: Why, for the audit trail.

        Raises:
            Refused: With the code `gate_in_use`, where something belongs to the gate.
        """
        self._ask("DELETE", "/v1/gates/{}", gate_id, query={"force": force, "reason": reason})

    def get_gate_settings(self, gate_id: str) -> DeviceSettings:
        """Read the settings of the gate's devices."""
        return self._one(DeviceSettings, "GET", "/v1/gates/{}/settings", gate_id)

    def set_gate_settings(self, gate_id: str, settings: GateSettings) -> DeviceSettings:
        """Change the settings of the gate's devices, which get them at once."""
        return self._one(DeviceSettings, "PUT", "/v1/gates/{}/settings", gate_id, body=settings)

    def create_enrolment_code(self, gate_id: str) -> EnrolmentCode:
        """Make a one-time code that enrols a device."""
        return self._one(EnrolmentCode, "POST", "/v1/gates/{}/enrolment-codes", gate_id)

    def get_visitor_link(self, gate_id: str) -> VisitorLink:
        """Read the deep link by which a chat becomes a visitor."""
        return self._one(VisitorLink, "GET", "/v1/gates/{}/visitor-link", gate_id)

    def replace_visitor_link(self, gate_id: str) -> VisitorLink:
        """Replace the deep link; the former link stops working."""
        return self._one(VisitorLink, "POST", "/v1/gates/{}/visitor-link", gate_id)

    def create_pairing_code(self, gate_id: str, new: NewPairingCode) -> PairingCode:
        """Make a one-time code that gives a chat a role."""
        return self._one(PairingCode, "POST", "/v1/gates/{}/pairing-codes", gate_id, body=new)

    def list_staff(
        self, gate_id: str, *, limit: int | None = None, after: str | None = None
    ) -> Page[StaffMember]:
        """Read the chats that have a role at the gate.

        Args:
            gate_id: The gate's id.
            limit: How many at most, 1 to 200; None: all, up to 10,000.
            after: The `next` of the page before.

        Returns:
            The page.
        """
        return self._list(StaffMember, "/v1/gates/{}/staff", gate_id, limit=limit, after=after)

    def iter_staff(self, gate_id: str) -> Iterator[StaffMember]:
        """Read all staff, page after page."""
        return each(lambda cursor: self.list_staff(gate_id, after=cursor))

    def delete_staff(self, gate_id: str, chat: str) -> None:
        """Remove a chat's role at the gate."""
        self._ask("DELETE", "/v1/gates/{}/staff/{}", gate_id, chat)

    def get_preview(self, gate_id: str) -> bytes:
        """Read a picture of the gate's camera, as a JPEG; this may take some seconds."""
        picture = self._ask("GET", "/v1/gates/{}/preview.jpg", gate_id, wait_s=10.0).content
        if not picture.startswith(b"\xff\xd8"):
            raise ApiUnreadable("the answer is no JPEG")
        return picture
