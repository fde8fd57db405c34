"""The panel of the gate's devices: whether the camera works, and whether anybody is looked at."""

from cloud.contract import Gate
from dashboard.connection import Connection
from dashboard.errors import DashboardError, RoleForbidden
from dashboard.panels.remarks import show_remark, viewers_clock
from dashboard.wording.devices import remarks_on_devices


def show_device_state(connection: Connection, gate: Gate) -> None:
    """Draw a remark for each device of a gate.

    Args:
        connection: The settings and the client of the API.
        gate: The gate.
    """
    try:
        devices = connection.client.devices(gate.id)
    except RoleForbidden as error:
        show_remark("devices", f"This key may not see whether the camera works: {error.what}")
        return
    except DashboardError as error:
        show_remark("devices", f"Whether the camera works is not known: {error.what}", "bad")
        return
    for kind, words in remarks_on_devices(devices, gate, viewers_clock(connection)):
        show_remark("devices", words, kind)
