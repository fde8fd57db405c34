"""What the door does with an answer: a line on the screen, a bell, a command.

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
from edge.errors import SettingsError
from edge.values import Link, Verdict

_log = structlog.get_logger(__name__)

_SAYS = {
    Label.WITH_MASK: ("mask", "green"),
    Label.WITHOUT_MASK: ("no mask", "red"),
    Label.INCORRECT_MASK: ("mask worn wrongly", "yellow"),
}


_REFUSALS: dict[str, tuple[str, str]] = {
    "": ("refused", "bold white on red"),
    RefusalReason.NO_MASK: ("refused", "bold white on red"),
    RefusalReason.MASK_WORN_WRONGLY: ("refused", "bold white on red"),
    RefusalReason.TOO_LATE: ("too late", "bold"),
    RefusalReason.CLOCK_AHEAD: ("clock ahead", "bold yellow"),
    RefusalReason.GATE_CLOSED: ("gate closed", "bold yellow"),
}
"""What is said of a refusal by its reason, and how. Red is for the person who stands there now."""

_OF_A_LATER_VERSION = ("no pass", "bold yellow")


class Signal(Protocol):
    """Something at the door that people see or hear. A method returns at once."""

    def verdict(self, verdict: Verdict) -> None:
        """A person was judged; the event is safe in the outbox."""

    def answer(self, decision: Decision) -> None:
        """The cloud has decided."""

    def link(self, link: Link, waiting: int) -> None:
        """The cloud was lost or found again; so many events wait."""


class Screen:
    """Lines on the terminal. A pass's token is never among them.

    Args:
        console: Where to write.
    """

    def __init__(self, console: Console) -> None:
        self._console = console

    def verdict(self, verdict: Verdict) -> None:
        """One coloured line."""
        words, colour = _SAYS[verdict.label]
        line = Text(f"{verdict.occurred_at:%H:%M:%S} UTC  ")
        line.append(f"{words:<18}", style=f"bold {colour}")
        line.append(
            f"{verdict.confidence:4.0%} of {verdict.votes} votes, person {verdict.sighting}"
        )
        self._console.print(line, soft_wrap=True)

    def answer(self, decision: Decision) -> None:
        """What the cloud said: the pass's number and end, or the reason why there is none.

        Red is for a refusal of the person who stands there, never for an event that came too late.
        """
        line = Text(f"{decision.decided_at:%H:%M:%S} UTC  ")
        if decision.access is Access.GRANTED:
            line.append(f"{'granted':<18}", style="bold white on green")
            if decision.issued_pass is not None:
                issued = decision.issued_pass
                line.append(f"pass {issued.id}, until {issued.expires_at:%H:%M:%S} UTC")
        else:
            reason = decision.refusal.reason if decision.refusal is not None else ""
            words, style = _REFUSALS.get(reason, _OF_A_LATER_VERSION)
            line.append(f"{words:<18}", style=style)
            if decision.refusal is not None:
                line.append(decision.refusal.message)
        self._console.print(line, soft_wrap=True)

    def link(self, link: Link, waiting: int) -> None:
        """Online, offline, or refused."""
        line = Text(" " * 14)
        style = "green" if link is Link.ONLINE else "bold yellow"
        line.append(f"{link.replace('_', ' '):<18}", style=style)
        line.append(f"{waiting} events wait" if waiting != 1 else "1 event waits")
        self._console.print(line, soft_wrap=True)


class Bell:
    """The terminal's bell on a refusal; it needs no cloud.

    Args:
        console: Whose bell; silent where it is no terminal.
    """

    def __init__(self, console: Console) -> None:
        self._console = console

    def verdict(self, verdict: Verdict) -> None:
        """Ring on a refusal."""
        if not verdict.admits:
            self._console.bell()

    def answer(self, decision: Decision) -> None:
        """The verdict has rung already."""

    def link(self, link: Link, waiting: int) -> None:
        """Nothing to hear."""


class SoundCommand:
    """A command on a refusal: `aplay beep.wav`, or a script that drives a buzzer.

    It is run without a shell and not waited for. While one runs, no second one is started.

    Args:
        command: With its arguments, quoted as in a shell.

    Raises:
        SettingsError: The quoting is wrong.
    """

    def __init__(self, command: str) -> None:
        try:
            self._command = shlex.split(command)
        except ValueError as error:
            raise SettingsError(
                f"EDGE_SOUND_COMMAND cannot be read: {error}", "Check its quotes"
            ) from error
        self._running: subprocess.Popen[bytes] | None = None

    def verdict(self, verdict: Verdict) -> None:
        """Run it on a refusal."""
        if verdict.admits or (self._running is not None and self._running.poll() is None):
            return
        try:
            # The command is the operator's own setting, and no shell reads it.
            self._running = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )
        except OSError as error:
            _log.error("sound_command_failed", command=self._command[0], error=error.strerror)

    def answer(self, decision: Decision) -> None:
        """The verdict has sounded already."""

    def link(self, link: Link, waiting: int) -> None:
        """Nothing to hear."""


class Signals:
    """All signals of this door, told one after the other.

    Args:
        signals: In the order in which they are told.
    """

    def __init__(self, signals: Iterable[Signal]) -> None:
        self._signals = tuple(signals)

    def verdict(self, verdict: Verdict) -> None:
        """Tell each."""
        for signal in self._signals:
            signal.verdict(verdict)

    def answer(self, decision: Decision) -> None:
        """Tell each."""
        for signal in self._signals:
            signal.answer(decision)

    def link(self, link: Link, waiting: int) -> None:
        """Tell each."""
        for signal in self._signals:
            signal.link(link, waiting)
