"""The console: what a person at a terminal sees of a command."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, TextIO, cast

import structlog
import typer
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from cloud.contract import Label
from edge import logs, settings
from edge.errors import EdgeError
from edge.lossy_output import LossyOutput
from edge.redaction import secrets
from edge.redaction.addresses import redacted_in

if TYPE_CHECKING:
    # These import OpenCV and OpenVINO. Only the commands that need them do so, after the log is set
    # up: then the lines that both libraries write on import have the form of the log.
    from edge.bench import Row
    from edge.detection import PictureReport
    from edge.doctor import CheckResult
    from edge.status import Status

OUT: Final = Console()
ERR: Final = Console(stderr=True)

DISPLAY: Final = Console(file=cast("TextIO", LossyOutput("stdout")))
"""The display at the door. It goes on where nobody can read it any more."""

SERVICES: Final = frozenset({"run", "door", "door-hub"})
"""Commands that run until they are stopped; with EDGE_LOG_JSON all their output is JSON."""

_SHORT_RUN = 5
"""Pictures under which no progress bar is shown."""

_log = structlog.get_logger("edge")


@contextmanager
def reported_errors(command: str) -> Iterator[None]:
    """Report an `EdgeError` as a sentence, never as a traceback, and end with exit code 1.

    With EDGE_LOG_JSON the sentence is a line of the log, unless a person has typed the command at a
    terminal.

    Args:
        command: Name of the command, for the log.

    Yields:
        Nothing.

    Raises:
        typer.Exit: The command raised an `EdgeError`.
    """
    as_json = settings.log_as_json() and (command in SERVICES or not ERR.is_terminal)
    if as_json and not logs.is_capturing():
        logs.use_json()
    try:
        yield
    except EdgeError as error:
        problem = secrets.KNOWN.redacted(redacted_in(error.problem))
        if as_json:
            _log.error(
                "command_refused",
                command=command,
                error=type(error).__name__,
                problem=problem,
                mend=error.mend,
            )
            raise typer.Exit(1) from error
        ERR.print(f"[bold red]{type(error).__name__}[/]: ", end="")
        ERR.print(problem, markup=False, highlight=False, soft_wrap=True)
        if error.mend:
            mend = secrets.KNOWN.redacted(error.mend)
            ERR.print(f"  {mend}", markup=False, highlight=False, soft_wrap=True, style="yellow")
        raise typer.Exit(1) from error


def progress(count: int) -> Progress:
    """Return a progress bar for so many pictures; it is hidden where nobody would see it."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=ERR,
        transient=True,
        disable=count < _SHORT_RUN or not ERR.is_terminal,
    )


def picture_table() -> Table:
    """Return an empty table for the reports of `detect`."""
    return Table(
        Column("file", overflow="fold"), "faces", "with mask", "without", "worn wrongly", ""
    )


def picture_row(report: "PictureReport") -> list[str]:
    """Return the cells of one report in `picture_table`."""
    if report.error:
        return [report.file, "", "", "", "", f"[red]{report.error}[/]"]
    counts = [sum(j.label is label for j in report.judgements) for label in Label]
    styles = ("green", "red", "yellow")
    cells = [f"[{style}]{n}[/]" if n else "0" for n, style in zip(counts, styles, strict=True)]
    return [report.file, str(len(report.judgements)), *cells, ""]


def print_check(check: "CheckResult") -> None:
    """Print one check of `doctor`, with its mend on a second line."""
    style = {"ok": "green", "warn": "yellow", "fail": "bold red"}[check.status]
    OUT.print(f"[{style}]{check.status:<5}[/]{check.name:<14}", end="")
    OUT.print(check.detail, markup=False, highlight=False, soft_wrap=True)
    if check.mend:
        mend = " " * 19 + check.mend
        OUT.print(mend, markup=False, highlight=False, style="yellow", soft_wrap=True)


def print_figures(rows: "Mapping[str, Row]", conclusion: str, warning: str) -> None:
    """Print the figures of `bench` as a table, the conclusion below, and a warning if any."""
    row_name = Column("row", overflow="fold", min_width=20)
    columns = ["value", "unit", "against", "ratio", "processor ms", "ratio"]
    table = Table(row_name, *columns, title="The edge on this machine")
    for name, row in rows.items():
        table.add_row(
            name,
            f"{row.value:,.1f}",
            row.unit,
            row.against,
            f"{row.ratio:.2f}",
            f"{row.processor_ms:.1f}",
            f"{row.processor_ratio:.2f}",
        )
    OUT.print(table)
    OUT.print(conclusion, highlight=False)
    if warning:
        ERR.print(f"[yellow]{warning}", highlight=False)


def show_live(draw: Callable[[], Table]) -> None:
    """Show a table that is drawn anew every second, until Ctrl-C."""
    with suppress(KeyboardInterrupt), Live(draw(), console=OUT, auto_refresh=False) as live:
        while True:
            time.sleep(1.0)
            live.update(draw(), refresh=True)


def status_table(status: "Status") -> Table:
    """Return the state of a running edge as a table."""
    table = Table(Column("part", min_width=12), Column("state", overflow="fold"), title="The edge")
    for row in _status_rows(status):
        table.add_row(*row)
    return table


def _status_rows(status: "Status") -> Iterator[tuple[str, str]]:
    for camera in status.cameras:
        state = "[red]stalled[/]" if camera.is_stalled else "[green]live[/]"
        fault = f", [red]{camera.fault}[/]" if camera.fault else ""
        yield (
            f"camera {camera.name}",
            f"{state}, {camera.frames_per_second:.1f} frames/s,"
            f" last picture {camera.silent_s:.1f} s ago{fault}",
        )
    for stage, seconds in status.busy_s.items():
        yield stage, f"busy for {seconds:.1f} s" if seconds else "idle"
    waiting = "cannot be read" if status.waiting is None else f"{status.waiting} events wait"
    yield "outbox", waiting
    if status.is_online is not None:
        online = "[green]answers[/]" if status.is_online else "[red]does not answer[/]"
        last = "none taken yet" if status.heartbeat_s is None else f"{status.heartbeat_s:.0f} s ago"
        yield "cloud", f"{online}, last heartbeat {last}"
    if status.sign_of_life_s is not None:
        stuck = " [red](stuck)[/]" if status.is_stuck else ""
        yield "sign of life", f"{status.sign_of_life_s:.0f} s ago{stuck}"
    if status.temperature_c is not None:
        yield "processor", f"{status.temperature_c:.0f} °C"
    if status.problems is None:
        yield "problems", "not known: set EDGE_METRICS_PORT to see more"
    else:
        yield "problems", f"[red]{', '.join(status.problems)}[/]" if status.problems else "none"
