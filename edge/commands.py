"""The cloud's commands to this device: new settings, a new key, a preview, a restart."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
import tenacity

from cloud.contract import CommandKind, DeviceSettings, RolledKey
from edge.delivery.client import Client
from edge.errors import CloudError, EdgeError, KeyRefusedError

_log = structlog.get_logger(__name__)

WAIT_S = 50.0
"""Seconds that the cloud holds a long poll while it has no command; the API allows 60 at most."""


@dataclass(frozen=True, slots=True)
class CommandHandlers:
    """One function for each kind of command.

    Attributes:
        apply_settings: Applies the gate's settings.
        save_key: Writes the device's new key to the disk, before the key is used.
        start_preview: Begins to send pictures.
        reload: Ends the run in an orderly way; the container's runtime starts it again.
    """

    apply_settings: Callable[[DeviceSettings], None]
    save_key: Callable[[RolledKey], None]
    start_preview: Callable[[], None] = field(default=lambda: None)
    reload: Callable[[], None] = field(default=lambda: None)


class CommandPoller:
    """Asks for commands by long polling, in a thread of its own, and carries them out in order.

    The gate's settings are read at the start, and again after each change. A command that fails is
    not acknowledged, so the cloud sends it again. A command of an unknown kind is skipped.

    Args:
        client: With the device's key.
        handlers: Carry out the commands.
        wait_s: Seconds that the cloud may hold one long poll.
        pause_s: First and longest pause between attempts while the cloud is away, in seconds.
    """

    def __init__(
        self,
        client: Client,
        handlers: CommandHandlers,
        *,
        wait_s: float = WAIT_S,
        pause_s: tuple[float, float] = (1.0, 60.0),
    ) -> None:
        self._client = client
        self._handlers = handlers
        self._wait_s = wait_s
        self._pauses = tenacity.wait_random_exponential(multiplier=pause_s[0] * 2, max=pause_s[1])
        self._stop = threading.Event()
        self._last_done: str | None = None
        self._has_settings = False
        self._thread = threading.Thread(target=self._poll, name="commands", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop asking. Nobody waits for the long poll that is under way: the thread is a daemon."""
        self._stop.set()

    def poll_once(self) -> None:
        """Ask once, and carry out the commands that came.

        Raises:
            CloudError: The cloud did not answer.
            EdgeError: A command could not be carried out.
        """
        if not self._has_settings:
            self._handlers.apply_settings(self._client.settings())
            self._has_settings = True
        for command in self._client.commands(self._last_done, self._wait_s):
            if self._stop.is_set():
                return
            self._carry_out(command.kind)
            self._last_done = command.id

    def _carry_out(self, kind: str) -> None:
        match kind:
            case CommandKind.SETTINGS_CHANGED:
                self._handlers.apply_settings(self._client.settings())
            case CommandKind.ROLL_KEY:
                rolled = self._client.roll_key()
                # Saved before it is used: a key in memory alone would be lost with the power.
                self._handlers.save_key(rolled)
                self._client.use_key(rolled.device_key)
            case CommandKind.PREVIEW_WANTED:
                self._handlers.start_preview()
            case CommandKind.RELOAD:
                self._handlers.reload()
            case _:
                _log.warning("command_unknown", kind=kind)
                return
        _log.info("command_done", kind=kind)

    def _poll(self) -> None:
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(EdgeError)
            & tenacity.retry_if_not_exception_type(KeyRefusedError),
            wait=self._pauses,
            stop=tenacity.stop_when_event_set(self._stop),
            sleep=tenacity.sleep_using_event(self._stop),
            before_sleep=_log_failure,
            retry_error_callback=lambda _state: None,
        )
        while not self._stop.is_set():
            try:
                attempts(self.poll_once)
            except KeyRefusedError:
                # The courier reports the refused key.
                return


def _log_failure(state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome is not None else None
    if isinstance(error, CloudError):
        _log.debug("commands_unheard", error=str(error))
    else:
        _log.error("command_failed", error=str(error))
