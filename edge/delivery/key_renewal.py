"""A device whose key is refused takes up the key of a new enrolment, without a restart."""

import threading
from collections.abc import Callable

import structlog

from edge.delivery.client import Client

_log = structlog.get_logger(__name__)

CHECK_S = 5.0
"""Seconds between two looks for a new key."""


class KeyRenewal:
    """Waits for a key other than the one that was refused.

    Args:
        client: Gets the new key.
        read_key: Returns the key of the newest enrolment; None if there is none that this run can
            use.
        every_s: Seconds between two looks.
    """

    def __init__(
        self, client: Client, read_key: Callable[[], str | None], every_s: float = CHECK_S
    ) -> None:
        self._client = client
        self._read_key = read_key
        self._every_s = every_s
        self._turn = threading.Lock()

    def wait(self, refused: str | None, stop: threading.Event) -> bool:
        """Wait until the client has another key than `refused`.

        Args:
            refused: The key that the cloud does not accept.
            stop: Ends the waiting.

        Returns:
            Whether there is another key; False if `stop` was set first.
        """
        while not stop.wait(self._every_s):
            # Several threads wait; the first one that finds the new key gives it to the client.
            with self._turn:
                key = self._read_key()
                if key is not None and key != refused and self._client.key == refused:
                    self._client.use_key(key)
                    _log.info("key_renewed")
            if self._client.key != refused:
                return True
        return False
