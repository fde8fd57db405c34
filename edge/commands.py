"""The cloud's commands to this device: new settings, a new key, a preview, a model, the log."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
import tenacity

from cloud.contract import Command, CommandKind, DeviceSettings, ModelOrder, RolledKey
from edge.delivery.client import Client
from edge.delivery.key_renewal import KeyRenewal
from edge.errors import CloudError, EdgeError, KeyRefusedError

_log = structlog.get_logger(__name__)

WAIT_S = 50.0
"""Seconds that the cloud holds a long poll while it has no command; the API allows 60 at most."""


LEAST_S = 1.0
"""Seconds at least between the beginnings of two polls."""

_MOST_S = 30.0
"""Seconds at most that a cloud is left alone which answers at once and has no command."""


class PollPacer:
    """Says how long to wait before the next poll.

    A long poll that has no command takes as long as the cloud holds it. A cloud (or a proxy in its
    place) that answers at once would be asked without a pause.
    """

    def __init__(self) -> None:
        self._early = 0

    def pause_after(self, took_s: float, *, had_commands: bool) -> float:
        """Return the pause after a poll.

        Args:
            took_s: Seconds that the poll took.
            had_commands: Whether the cloud had commands.

        Returns:
            Seconds until LEAST_S have passed since the poll began. The time doubles with each poll
            that was early and had no command, up to 30 seconds.
        """
        if took_s >= LEAST_S:
            self._early = 0
            return 0.0
        self._early = 0 if had_commands else self._early + 1
        return min(LEAST_S * 2.0 ** max(0, min(self._early, 10) - 1), _MOST_S) - took_s


@dataclass(frozen=True, slots=True)
class CommandHandlers:
    """One function for each kind of command.

    Attributes:
        apply_settings: Applies the gate's settings.
        save_key: Writes the device's new key to the disk, before the key is used.
        start_preview: Begins to send pictures.
        reload: Ends the run in an orderly way; the container's runtime starts it again.
        update_model: Takes a model.
        roll_back_model: Goes back to the model before, of a role.
        send_log: Sends the last lines of the log, so many.
    """

    apply_settings: Callable[[DeviceSettings], None]
    save_key: Callable[[RolledKey], None]
    start_preview: Callable[[], None] = field(default=lambda: None)
    reload: Callable[[], None] = field(default=lambda: None)
    update_model: Callable[[ModelOrder], None] = field(default=lambda _order: None)
    roll_back_model: Callable[[str], None] = field(default=lambda _role: None)
    send_log: Callable[[int], None] = field(default=lambda _lines: None)


class CommandPoller:
    """Asks for commands by long polling, in a thread of its own, and carries them out in order.

    The gate's settings are read at the start, and again after each change. A command that fails is
    not acknowledged, so the cloud sends it again. A command of an unknown kind is skipped.

    Args:
        client: With the device's key.
        handlers: Carry out the commands.
        wait_s: Seconds that the cloud may hold one long poll.
        renewal: Waits for a new key where the cloud refuses this device's; None ends the thread.
        pause_s: First and longest pause between attempts while the cloud is away, in seconds.
    """

    def __init__(
        self,
        client: Client,
        handlers: CommandHandlers,
        *,
        wait_s: float = WAIT_S,
        renewal: KeyRenewal | None = None,
        pause_s: tuple[float, float] = (1.0, 60.0),
    ) -> None:
        self._client = client
        self._handlers = handlers
        self._wait_s = wait_s
        self._renewal = renewal
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

    def poll_once(self) -> bool:
        """Ask once, and carry out the commands that came.

        Returns:
            Whether there were commands.

        Raises:
            CloudError: The cloud did not answer.
            EdgeError: A command could not be carried out.
        """
        if not self._has_settings:
            self._handlers.apply_settings(self._client.settings())
            self._has_settings = True
        commands = self._client.commands(self._last_done, self._wait_s)
        for command in commands:
            if self._stop.is_set():
                break
            self._carry_out(command)
            self._last_done = command.id
        return bool(commands)

    def _carry_out(self, command: Command) -> None:
        match kind := command.kind:
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
            case CommandKind.UPDATE_MODEL if command.model is not None:
                self._handlers.update_model(command.model)
            case CommandKind.ROLL_BACK_MODEL if command.role is not None:
                self._handlers.roll_back_model(command.role)
            case CommandKind.SEND_LOG if command.lines is not None:
                self._handlers.send_log(command.lines)
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
            retry_error_callback=lambda _state: False,
        )
        pacer = PollPacer()
        while not self._stop.is_set():
            key, began = self._client.key, time.monotonic()
            try:
                had_commands = attempts(self.poll_once)
            except KeyRefusedError:
                # The courier reports the refused key.
                if self._renewal is None or not self._renewal.wait(key, self._stop):
                    return
            except Exception as error:  # noqa: BLE001 - logged, and the thread must go on
                _log.critical("uncaught_error", thread="commands", exc_info=error)
                self._stop.wait(_MOST_S)
            else:
                took_s = time.monotonic() - began
                self._stop.wait(pacer.pause_after(took_s, had_commands=had_commands))


def _log_failure(state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome is not None else None
    if isinstance(error, CloudError):
        _log.debug("commands_unheard", error=str(error))
    else:
        _log.error("command_failed", error=str(error))
