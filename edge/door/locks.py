"""Locks: what opens when a pass was admitted. And what sounds when it was not."""

import shlex
import subprocess
import threading
import warnings
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

import httpx
import structlog
from rich.console import Console
from rich.text import Text

from edge.door.admission import Answer
from edge.errors import SettingsError

if TYPE_CHECKING:
    from gpiozero import DigitalOutputDevice

_BUZZ_S = 0.5

_log = structlog.get_logger(__name__)


class Lock(Protocol):
    """Something at the door that acts on an answer. Each method returns at once."""

    def on_answer(self, answer: Answer) -> None:
        """A code was read, and this is what the door does."""

    def close(self) -> None:
        """The door ends."""


def output_at(variable: str, pin: str, *, active_low: bool = False) -> "DigitalOutputDevice":
    """Take a GPIO pin as an output.

    Args:
        variable: That names the pin, for the error.
        pin: As gpiozero names it, such as `GPIO17`.
        active_low: Whether the output is on when the pin is low.

    Returns:
        The output, switched off.

    Raises:
        SettingsError: There is no such pin, or this machine has none.
    """
    # Only doors with a pin need the library.
    from gpiozero import DigitalOutputDevice, GPIOZeroError, PinFactoryFallback  # noqa: PLC0415

    try:
        with warnings.catch_warnings():
            # One warning for each library of pins that is not installed; the error says enough.
            warnings.simplefilter("ignore", PinFactoryFallback)
            return DigitalOutputDevice(pin, active_high=not active_low)
    except (GPIOZeroError, OSError, ValueError) as error:
        raise SettingsError(
            f"{variable}: {pin} cannot be used: {error}",
            "Check the pin's name, that this user may use the GPIO, and that the package lgpio is"
            " installed",
        ) from error


class RelayLock:
    """A relay at a GPIO pin: closed for some seconds, then open again by itself.

    Args:
        pin: As gpiozero names it, such as `GPIO17`.
        open_s: Seconds for which the relay is closed.
        active_low: Whether the relay closes when the pin is low.

    Raises:
        SettingsError: There is no such pin, or this machine has none.
    """

    def __init__(self, pin: str, open_s: float, *, active_low: bool = False) -> None:
        self._relay = output_at("EDGE_DOOR_RELAY_PIN", pin, active_low=active_low)
        self._open_s = open_s

    def on_answer(self, answer: Answer) -> None:
        """Close the relay for some seconds if the answer opens the door."""
        if answer.opens:
            self._relay.blink(on_time=self._open_s, n=1)

    def close(self) -> None:
        """Open the relay, and free the pin."""
        self._relay.close()


class Buzzer:
    """A buzzer at a GPIO pin that sounds at a refusal.

    Args:
        pin: As gpiozero names it.

    Raises:
        SettingsError: There is no such pin, or this machine has none.
    """

    def __init__(self, pin: str) -> None:
        self._buzzer = output_at("EDGE_DOOR_BUZZER_PIN", pin)

    def on_answer(self, answer: Answer) -> None:
        """Sound if the answer is a refusal."""
        if not answer.opens:
            self._buzzer.blink(on_time=_BUZZ_S, n=1)

    def close(self) -> None:
        """Silence the buzzer, and free the pin."""
        self._buzzer.close()


class CommandLock:
    """A command that opens the lock. It runs without a shell, and nobody waits for its end.

    Args:
        command: With its arguments, quoted as in a shell.

    Raises:
        SettingsError: The command is empty, or a quote is not closed.
    """

    def __init__(self, command: str) -> None:
        try:
            self._command = shlex.split(command)
        except ValueError as error:
            raise SettingsError(
                f"EDGE_DOOR_OPEN_COMMAND cannot be read: {error}", "Check its quotes"
            ) from error
        if not self._command:
            raise SettingsError(
                "EDGE_DOOR_OPEN_COMMAND is empty", "Remove the variable if you want no command"
            )
        self._running: list[subprocess.Popen[bytes]] = []

    def on_answer(self, answer: Answer) -> None:
        """Run the command if the answer opens the door."""
        self._running = [process for process in self._running if process.poll() is None]
        if not answer.opens:
            return
        try:
            # The command is the operator's own setting, and no shell reads it.
            process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )
        except OSError as error:
            _log.error("lock_failed", command=self._command[0], error=error.strerror)
        else:
            self._running.append(process)

    def close(self) -> None:
        """Leave commands that still run alone: they may be closing the lock."""


class WebhookLock:
    """A controller on the network that opens the lock when it gets a request.

    Args:
        url: That gets a POST with `{"outcome": "admitted"}`.
        timeout_s: Seconds after which the controller counts as away.
    """

    def __init__(self, url: str, timeout_s: float = 2.0) -> None:
        self._url = url
        self._http = httpx.Client(timeout=timeout_s, trust_env=False)

    def on_answer(self, answer: Answer) -> None:
        """Call the controller, in a thread, if the answer opens the door."""
        if answer.opens:
            threading.Thread(target=self._call, name="lock", daemon=True).start()

    def _call(self) -> None:
        try:
            self._http.post(self._url, json={"outcome": "admitted"}).raise_for_status()
        except httpx.HTTPError as error:
            _log.error("lock_failed", lock="webhook", error=type(error).__name__)

    def close(self) -> None:
        """Close the connection to the controller."""
        self._http.close()


class ConsoleLock:
    """Writes each answer as a line. It opens nothing.

    Args:
        console: Gets the lines.
    """

    def __init__(self, console: Console) -> None:
        self._console = console

    def on_answer(self, answer: Answer) -> None:
        """Write the outcome and the message."""
        style = "bold white on green" if answer.opens else "bold white on red"
        line = Text(f"{answer.outcome.replace('_', ' '):<18}", style=style)
        line.append(f" {answer.message}", style="default on default")
        if answer.offline:
            line.append(" (without the cloud)", style="yellow on default")
        self._console.print(line, soft_wrap=True)

    def close(self) -> None:
        """Do nothing."""


class Locks:
    """All locks of a door. A lock that fails does not keep the others from opening.

    Args:
        locks: In the order in which they act.
    """

    def __init__(self, locks: Iterable[Lock]) -> None:
        self._locks = tuple(locks)

    def on_answer(self, answer: Answer) -> None:
        """Pass the answer to each lock."""
        for lock in self._locks:
            try:
                lock.on_answer(answer)
            except Exception as error:  # noqa: BLE001 - not swallowed: it is in the log
                _log.error("lock_failed", lock=type(lock).__name__, error=str(error))

    def close(self) -> None:
        """Close each lock."""
        for lock in self._locks:
            with suppress(OSError):
                lock.close()
