"""The last lines of the log, on their way to the cloud."""

from datetime import UTC, datetime

from cloud.contract import DeviceLog
from edge.delivery.client import Client
from edge.log_memory import LAST_LINES


def send_last_lines(client: Client, count: int) -> None:
    """Send the last lines of the log, without secrets.

    Args:
        client: With the device's key.
        count: Lines at most.

    Raises:
        CloudUnreachableError: The cloud did not take them.
        KeyRefusedError: The cloud does not accept the device's key.
    """
    lines, left_out = LAST_LINES.last(count)
    client.send_log(DeviceLog(taken_at=datetime.now(UTC), lines=lines, left_out=left_out))
