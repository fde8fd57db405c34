"""Why a network camera cannot be opened: OpenCV says no more than that it cannot.

Each step of a connection is tried again, until one fails: the name is resolved, the port is
connected, and HTTP is asked. FFmpeg's own lines name the reason for RTSP alone.
"""

import socket
import urllib.parse
from dataclasses import dataclass
from typing import Final

from edge.refusals import LOGIN_MEND

CONNECT_TIMEOUT_S: Final = 2.0
"""Seconds for a connection on the camera's network, which takes milliseconds."""

_HTTP_TIMEOUT_S: Final = 4.0

_PORTS: Final = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
"""Default ports of the schemes (IANA)."""


@dataclass(frozen=True, slots=True)
class ConnectionFault:
    """A reason why a network camera cannot be opened.

    Attributes:
        why: What is wrong; names host and port, and no password.
        mend: What a person can do.
        is_login_refused: Whether the camera answers, and does not accept the login.
    """

    why: str
    mend: str
    is_login_refused: bool = False


def connection_fault(address: str, *, timed_out_s: float | None = None) -> ConnectionFault | None:
    """Find out why a network camera cannot be opened.

    An HTTP camera is asked once more with the same login.

    Args:
        address: Of the camera, with its reserved characters encoded.
        timed_out_s: Seconds after which OpenCV gave up; None if it gave up before its time.

    Returns:
        The fault; None if host and port answer, and the camera says no more.
    """
    try:
        parts = urllib.parse.urlsplit(address)
        host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return ConnectionFault(
            "its address has no valid host and port", "Write the address as SCHEME://HOST:PORT/PATH"
        )
    if host is None or port is None:
        return None
    fault = _socket_fault(host, port)
    if fault is not None:
        return fault
    if timed_out_s is not None:
        return ConnectionFault(
            f"{host} accepts the connection at port {port}, and sends nothing for"
            f" {timed_out_s:.0f} s",
            "Restart the camera; check that its path and port are those of its video",
        )
    return _http_fault(address) if parts.scheme in {"http", "https"} else None


def _socket_fault(host: str, port: int) -> ConnectionFault | None:
    try:
        socket.create_connection((host, port), CONNECT_TIMEOUT_S).close()
    except socket.gaierror:
        return ConnectionFault(
            f"the host name {host} does not resolve",
            "Check the host name and this device's DNS, or write the camera's IP address",
        )
    except ConnectionRefusedError:
        return ConnectionFault(
            f"{host} refuses the connection at port {port}",
            "Check the port, and that the camera's video server is switched on",
        )
    except TimeoutError:
        return ConnectionFault(
            f"{host} does not answer at port {port} within {CONNECT_TIMEOUT_S:.0f} s",
            "Check that the camera has power and network, its IP address, and firewalls between",
        )
    except OSError as error:
        return ConnectionFault(
            f"{host} cannot be reached at port {port}: {error.strerror or type(error).__name__}",
            "Check the network of this device and of the camera",
        )
    return None


def _http_fault(address: str) -> ConnectionFault | None:
    try:
        import av  # noqa: PLC0415 - an FFmpeg of its own, which most runs never need
    except ImportError:
        return None
    try:
        av.open(address, timeout=_HTTP_TIMEOUT_S).close()
    except av.HTTPUnauthorizedError:
        return ConnectionFault(
            "it refuses the user name or the password", LOGIN_MEND, is_login_refused=True
        )
    except av.HTTPForbiddenError:
        return ConnectionFault(
            "it forbids this path to this user (HTTP 403)",
            "Allow the user to see the video in the camera's own settings",
        )
    except av.HTTPNotFoundError:
        return ConnectionFault(
            "it knows no such path (HTTP 404)",
            "Take the path of the video from the camera's manual",
        )
    except (av.FFmpegError, ValueError) as error:
        # The text of PyAV's errors holds the address with its password; `strerror` does not.
        why = getattr(error, "strerror", None)
        return ConnectionFault(why, "Open the address in a browser") if why else None
    return None
