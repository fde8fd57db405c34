"""What people see and hear at the door: a line on the console, the terminal's bell, a command.

A relay or a buzzer is one more class with the methods of `Signal`.
"""

import shlex
import subprocess
from collections.abc import Iterable
from typing import Protocol

import structlog
from rich.console import Console
from rich.text import Text

from cloud.contract import Access, Decision, Label, RefusalReason
from edge.capture.picture_faults import PictureFault
from edge.errors import SettingsError
from edge.values import ConnectionState, Verdict

_log = structlog.get_logger(__name__)

_LABELS = {
    Label.WITH_MASK: ("mask", "green"),
    Label.WITHOUT_MASK: ("no mask", "red"),
    Label.INCORRECT_MASK: ("mask worn wrongly", "yellow"),
}
"""The words for each label, and their colour."""

_REFUSALS: dict[str, tuple[str, str]] = {
    "": ("refused", "bold white on red"),
    RefusalReason.NO_MASK: ("refused", "bold white on red"),
    RefusalReason.MASK_WORN_WRONGLY: ("refused", "bold white on red"),
    RefusalReason.TOO_LATE: ("too late", "bold"),
    RefusalReason.CLOCK_AHEAD: ("clock ahead", "bold yellow"),
    RefusalReason.GATE_CLOSED: ("gate closed", "bold yellow"),
}
"""The words for each reason of a refusal, and their style. Only a refusal of the person who stands
at the door now is red."""

_PICTURES: dict[PictureFault | None, tuple[str, str]] = {
    None: ("picture well", "people are judged again"),
    PictureFault.BLACK: ("picture black", "nobody is judged; check the lens, the cable, the light"),
    PictureFault.CONSTANT: ("picture constant", "nobody is judged; restart the camera"),
    PictureFault.FROZEN: ("picture frozen", "nobody is judged; restart the camera"),
    PictureFault.COVERED: ("picture covered", "nobody is judged; uncover and clean the lens"),
    PictureFault.BLURRED: ("picture blurred", "clean the lens, and focus it"),
}
"""The words for each fault of the picture, and what to do."""

_UNKNOWN_REFUSAL = ("no pass", "bold yellow")
"""For a reason that only a later version of the edge knows."""


class Signal(Protocol):
    """Something at the door that people see or hear. Each method returns at once."""

    def on_verdict(self, verdict: Verdict) -> None:
        """A person was judged; the event is safe in the outbox."""

    def on_decision(self, decision: Decision) -> None:
        """The cloud has decided on an event."""

    def on_connection_change(self, state: ConnectionState, waiting: int) -> None:
        """The cloud was lost or found again, while `waiting` events wait in the outbox."""

    def on_picture_change(self, fault: PictureFault | None) -> None:
        """A fault of the camera's picture began; None: the picture is well again."""

    def on_still_suspected(self) -> None:
        """A masked face does not move: a person is asked to, a picture cannot."""


class ConsoleDisplay:
    """Writes lines to the console. The token of a pass is never among them.

    Args:
        console: Gets the lines.
    """

    def __init__(self, console: Console) -> None:
        self._console = console

    def on_verdict(self, verdict: Verdict) -> None:
        """Write one coloured line."""
        words, colour = _LABELS[verdict.label]
        line = Text(f"{verdict.occurred_at:%H:%M:%S} UTC  ")
        line.append(f"{words:<18}", style=f"bold {colour}")
        line.append(
            f"{verdict.confidence:4.0%} of {verdict.votes} votes, person {verdict.sighting}"
            f"{f' of camera {verdict.camera}' if verdict.camera else ''}"
        )
        self._console.print(line, soft_wrap=True)

    def on_decision(self, decision: Decision) -> None:
        """Write the id and expiry of the pass, or the reason of the refusal."""
        line = Text(f"{decision.decided_at:%H:%M:%S} UTC  ")
        if decision.access is Access.GRANTED:
            line.append(f"{'granted':<18}", style="bold white on green")
            if decision.issued_pass is not None:
                issued = decision.issued_pass
                line.append(f"pass {issued.id}, until {issued.expires_at:%H:%M:%S} UTC")
        else:
            reason = decision.refusal.reason if decision.refusal is not None else ""
            words, style = _REFUSALS.get(reason, _UNKNOWN_REFUSAL)
            line.append(f"{words:<18}", style=style)
            if decision.refusal is not None:
                line.append(decision.refusal.message)
        self._console.print(line, soft_wrap=True)

    def on_connection_change(self, state: ConnectionState, waiting: int) -> None:
        """Write `online`, `offline` or `key refused`, and how many events wait."""
        line = Text(" " * 14)
        style = "green" if state is ConnectionState.ONLINE else "bold yellow"
        line.append(f"{state.replace('_', ' '):<18}", style=style)
        line.append(f"{waiting} events wait" if waiting != 1 else "1 event waits")
        self._console.print(line, soft_wrap=True)

    def on_picture_change(self, fault: PictureFault | None) -> None:
        """Write what is wrong with the picture, and how to mend it; or that it is well."""
        words, mend = _PICTURES[fault]
        line = Text(" " * 14)
        line.append(f"{words:<18}", style="green" if fault is None else "bold yellow")
        line.append(mend)
        self._console.print(line, soft_wrap=True)

    def on_still_suspected(self) -> None:
        """Write what the person is asked for."""
        line = Text(" " * 14)
        line.append(f"{'no pass yet':<18}", style="bold yellow")
        line.append("please move your head a little")
        self._console.print(line, soft_wrap=True)


class TerminalBell:
    """Rings the terminal's bell when a verdict refuses somebody. This works without the cloud.

    Args:
        console: Its terminal rings; a console that is no terminal stays silent.
    """

    def __init__(self, console: Console) -> None:
        self._console = console

    def on_verdict(self, verdict: Verdict) -> None:
        """Ring if the verdict is a refusal."""
        if not verdict.admits:
            self._console.bell()

    def on_decision(self, decision: Decision) -> None:
        """Stay silent: the bell rang at the verdict."""

    def on_connection_change(self, state: ConnectionState, waiting: int) -> None:
        """Stay silent."""

    def on_picture_change(self, fault: PictureFault | None) -> None:
        """Stay silent."""

    def on_still_suspected(self) -> None:
        """Stay silent: nobody was refused."""


class SoundCommand:
    """Runs a command when a verdict refuses somebody: `aplay beep.wav`, or a buzzer's script.

    The command runs without a shell, and nobody waits for its end. While it runs, it is not started
    a second time.

    Args:
        command: With its arguments, quoted as in a shell.

    Raises:
        SettingsError: A quote is not closed.
    """

    def __init__(self, command: str) -> None:
        try:
            self._command = shlex.split(command)
        except ValueError as error:
            raise SettingsError(
                f"EDGE_SOUND_COMMAND cannot be read: {error}", "Check its quotes"
            ) from error
        self._running: subprocess.Popen[bytes] | None = None

    def on_verdict(self, verdict: Verdict) -> None:
        """Run the command if the verdict is a refusal."""
        if verdict.admits or (self._running is not None and self._running.poll() is None):
            return
        try:
            # The command is the operator's own setting, and no shell reads it.
            self._running = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )
        except OSError as error:
            _log.error("sound_command_failed", command=self._command[0], error=error.strerror)

    def on_decision(self, decision: Decision) -> None:
        """Do nothing: the command ran at the verdict."""

    def on_connection_change(self, state: ConnectionState, waiting: int) -> None:
        """Do nothing."""

    def on_picture_change(self, fault: PictureFault | None) -> None:
        """Do nothing."""

    def on_still_suspected(self) -> None:
        """Do nothing: nobody was refused."""


class Signals:
    """All signals of this door, called one after the other.

    Args:
        signals: In the order in which they are called.
    """

    def __init__(self, signals: Iterable[Signal]) -> None:
        self._signals = tuple(signals)

    def on_verdict(self, verdict: Verdict) -> None:
        """Pass the verdict to each signal."""
        for signal in self._signals:
            signal.on_verdict(verdict)

    def on_decision(self, decision: Decision) -> None:
        """Pass the decision to each signal."""
        for signal in self._signals:
            signal.on_decision(decision)

    def on_connection_change(self, state: ConnectionState, waiting: int) -> None:
        """Pass the change to each signal."""
        for signal in self._signals:
            signal.on_connection_change(state, waiting)

    def on_picture_change(self, fault: PictureFault | None) -> None:
        """Pass the change to each signal."""
        for signal in self._signals:
            signal.on_picture_change(fault)

    def on_still_suspected(self) -> None:
        """Pass the request to each signal."""
        for signal in self._signals:
            signal.on_still_suspected()
