"""What the cloud asks of this device: settings, a new key, pictures, a fresh start."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
import tenacity

from cloud.contract import CommandKind, DeviceSettings, RolledKey
from edge.client import Client
from edge.errors import CloudError, EdgeError, KeyRefusedError

_log = structlog.get_logger(__name__)

WAIT_S = 50.0
"""Seconds that the cloud holds a question for which it has no command yet; 60 are its most."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What is done at each command.

    Attributes:
        settings: Apply what the gate is set to.
        key: Keep the device's new key, safely, before it is used.
        preview: Begin to send pictures.
        reload: End in an orderly way.
    """

    settings: Callable[[DeviceSettings], None]
    key: Callable[[RolledKey], None]
    preview: Callable[[], None] = field(default=lambda: None)
    reload: Callable[[], None] = field(default=lambda: None)


class Listener:
    """Waits for commands, in a thread of its own, and does them one by one.

    The gate's settings are read at the start, and whenever they have changed. A command that fails
    is left unacknowledged, and so comes again; one of a kind that is not known is left out.

    Args:
        client: With the device's key.
        orders: What to do.
        wait_s: Seconds that one question may take.
        pause_s: First, and longest, pause while the cloud is away.
    """

    def __init__(
        self,
        client: Client,
        orders: Orders,
        *,
        wait_s: float = WAIT_S,
        pause_s: tuple[float, float] = (1.0, 60.0),
    ) -> None:
        self._client = client
        self._orders = orders
        self._wait_s = wait_s
        self._pauses = tenacity.wait_random_exponential(multiplier=pause_s[0] * 2, max=pause_s[1])
        self._stop = threading.Event()
        self._done: str | None = None
        self._current = False
        self._thread = threading.Thread(target=self._listen, name="commands", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End. A question under way is left to its answer: the thread is a daemon."""
        self._stop.set()

    def turn(self) -> None:
        """Ask once, and do what came.

        Raises:
            CloudError: The cloud could not be asked.
            EdgeError: A command could not be done.
        """
        if not self._current:
            self._orders.settings(self._client.settings())
            self._current = True
        for command in self._client.commands(self._done, self._wait_s):
            if self._stop.is_set():
                return
            self._do(command.kind)
            self._done = command.id

    def _do(self, kind: str) -> None:
        match kind:
            case CommandKind.SETTINGS_CHANGED:
                self._orders.settings(self._client.settings())
            case CommandKind.ROLL_KEY:
                rolled = self._client.roll_key()
                # Kept before it is used: a key in memory alone would be lost with the power.
                self._orders.key(rolled)
                self._client.use_key(rolled.device_key)
            case CommandKind.PREVIEW_WANTED:
                self._orders.preview()
            case CommandKind.RELOAD:
                self._orders.reload()
            case _:
                _log.warning("command_unknown", kind=kind)
                return
        _log.info("command_done", kind=kind)

    def _listen(self) -> None:
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(EdgeError)
            & tenacity.retry_if_not_exception_type(KeyRefusedError),
            wait=self._pauses,
            stop=tenacity.stop_when_event_set(self._stop),
            sleep=tenacity.sleep_using_event(self._stop),
            before_sleep=_say,
            retry_error_callback=lambda _state: None,
        )
        while not self._stop.is_set():
            try:
                attempts(self.turn)
            except KeyRefusedError:
                # The courier says so, where people see it.
                return


def _say(state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome is not None else None
    if isinstance(error, CloudError):
        _log.debug("commands_unheard", error=str(error))
    else:
        _log.error("command_failed", error=str(error))
