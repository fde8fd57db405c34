"""Devices: operations of people on devices, and of a device with its own key."""

from collections.abc import Iterator

from cloud.client.connection import Connection, each
from cloud.client.pages import Page
from cloud.contract import (
    CommandPage,
    Device,
    DeviceChange,
    DeviceLog,
    DeviceSettings,
    Enrolment,
    EnrolmentRequest,
    Heartbeat,
    LogRequest,
    ModelChoice,
    ModelRollback,
    RolledKey,
)


class Devices(Connection):
    """Operations on devices."""

    def list_devices(
        self, *, gate: str | None = None, limit: int | None = None, after: str | None = None
    ) -> Page[Device]:
        """Read all devices that the key may read.

        Args:
            gate: Of this gate alone.
            limit: How many at most, 1 to 200; None: all, up to 10,000.
            after: The `next` of the page before.

        Returns:
            The page.
        """
        return self._list(Device, "/v1/devices", gate=gate, limit=limit, after=after)

    def iter_devices(self, *, gate: str | None = None) -> Iterator[Device]:
        """Read all devices that the key may read, page after page."""
        return each(lambda cursor: self.list_devices(gate=gate, after=cursor))

    def change_device(self, device_id: str, change: DeviceChange) -> Device:
        """Rename a device with its keys, or announce that it will be off for a while."""
        return self._one(Device, "PATCH", "/v1/devices/{}", device_id, body=change)

    def revoke_device(self, device_id: str) -> None:
        """Revoke a device with its keys."""
        self._ask("DELETE", "/v1/devices/{}", device_id)

    def roll_device_key(self, device_id: str) -> None:
        """Ask a device to get a new key."""
        self._ask("POST", "/v1/devices/{}/roll", device_id)

    def reload_device(self, device_id: str) -> None:
        """Ask a device to restart."""
        self._ask("POST", "/v1/devices/{}/reload", device_id)

    def update_device_model(self, device_id: str, choice: ModelChoice) -> None:
        """Ask a device to take a model."""
        self._ask("POST", "/v1/devices/{}/model", device_id, body=choice)

    def roll_back_device_model(self, device_id: str, rollback: ModelRollback) -> None:
        """Ask a device to go back to the model before."""
        self._ask("POST", "/v1/devices/{}/model/rollback", device_id, body=rollback)

    def request_device_log(self, device_id: str, request: LogRequest) -> None:
        """Ask a device for the last lines of its log."""
        self._ask("POST", "/v1/devices/{}/log", device_id, body=request)

    def get_device_log(self, device_id: str) -> DeviceLog:
        """Read the log lines that a device sent in the last hour."""
        return self._one(DeviceLog, "GET", "/v1/devices/{}/log", device_id)

    def put_own_log(self, log: DeviceLog) -> None:
        """Send the last lines of this device's log."""
        self._ask("PUT", "/v1/devices/me/log", body=log)

    def enrol_device(self, request: EnrolmentRequest) -> Enrolment:
        """Exchange a one-time code for a device's key, which is shown only here."""
        return self._one(Enrolment, "POST", "/v1/devices/enrol", body=request)

    def send_heartbeat(self, heartbeat: Heartbeat) -> None:
        """Report the state of this device."""
        self._ask("POST", "/v1/devices/me/heartbeat", body=heartbeat)

    def list_commands(self, *, after: str | None = None, wait: float | None = None) -> CommandPage:
        """Read the commands for this device, and wait for one (long poll).

        Args:
            after: The id of the last command that was executed.
            wait: Seconds that the API may hold its answer, up to 60.

        Returns:
            The commands, the oldest first.
        """
        return self._one(
            CommandPage,
            "GET",
            "/v1/devices/me/commands",
            query={"after": after, "wait": wait},
            wait_s=wait or 0.0,
        )

    def get_own_settings(self) -> DeviceSettings:
        """Read the settings of this device's gate."""
        return self._one(DeviceSettings, "GET", "/v1/devices/me/settings")

    def roll_own_key(self) -> RolledKey:
        """Get this device's next key; call `use_key` to use it."""
        return self._one(RolledKey, "POST", "/v1/devices/me/roll")

    def put_preview(self, picture: bytes) -> None:
        """Send a JPEG to the viewers of this device's gate; raise Conflict where there are none."""
        self._ask("PUT", "/v1/devices/me/preview", body=picture, media_type="image/jpeg")
