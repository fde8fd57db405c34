"""Messages to systemd about this service: sd_notify(3), in its documented protocol."""

import os
import socket
from contextlib import suppress

_ABSTRACT = "@"


def notify(**fields: str) -> bool:
    """Send fields such as `READY="1"` to systemd.

    Args:
        fields: By their names in sd_notify(3).

    Returns:
        Whether systemd got them; False where systemd did not start this process with
        `Type=notify`, or does not listen any more.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith(_ABSTRACT):  # a name in Linux's abstract name space begins with a 0
        address = "\0" + address[1:]
    message = "\n".join(f"{name}={value}" for name, value in fields.items())
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(address)
        sender.sendall(message.encode())
        return True
    return False


def watchdog_s() -> float | None:
    """Return the seconds within which systemd expects `WATCHDOG=1`; None if it expects none."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 1e6 if microseconds.isdecimal() and int(microseconds) else None
