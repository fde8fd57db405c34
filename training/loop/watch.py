"""`watch`: show a run in the terminal while it trains: its progress, its losses, its figures."""

import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import plotext
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from training.errors import MissingRunError
from training.loop.journal import State

SILENT_S = 900.0
"""Seconds without a new progress.json after which a run on another machine counts as dead. An
evaluation takes minutes, and writes nothing meanwhile.
"""


@dataclass(frozen=True, slots=True)
class RunStatus:
    """What a run's folder says at one moment.

    Attributes:
        state: The state that the run wrote last.
        progress: Minutes, budget in minutes, samples, and samples a second.
        losses: The running mean of each loss.
        history: The figures of each evaluation.
        lost: Whether the run says that it is running, and its process is gone.
    """

    state: State
    progress: dict[str, float] = field(default_factory=dict)
    losses: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    lost: bool = False


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # the process is there, and is another user's
    return True


def read_status(run: Path) -> RunStatus:
    """Read progress.json and history.json of a run.

    Args:
        run: The run's folder.

    Returns:
        What they say.

    Raises:
        MissingRunError: Neither file is there.
    """
    progress, history = run / "progress.json", run / "history.json"
    if not progress.is_file() and not history.is_file():
        raise MissingRunError(
            f"{run} holds no run; start one with `python -m training train`, which writes there as "
            "soon as it has read its pictures, or name another folder"
        )
    past = json.loads(history.read_text(encoding="utf-8")) if history.is_file() else []
    if not progress.is_file():
        return RunStatus(State.ENDED, history=past)
    now = json.loads(progress.read_text(encoding="utf-8"))
    state = State(now["state"])
    here = now["host"] == platform.node()
    silent = not _alive(now["pid"]) if here else time.time() - now["at"] > SILENT_S
    figures = {k: float(now[k]) for k in ("minutes", "budget", "samples", "pace")}
    return RunStatus(state, figures, now["losses"], past, lost=state is State.RUNNING and silent)


def _plot(history: list[dict[str, float]], names: list[str], title: str, width: int) -> Text:
    figure = plotext.figure
    figure.clear()
    figure.theme("clear")
    figure.plot_size(width, 14)
    figure.title(title)
    for name in names:
        rows = [h for h in history if name in h]
        line = figure.signal([h["minutes"] for h in rows], [h[name] for h in rows])
        figure.draw(line.lines().label(name))
    return Text.from_ansi(figure.build().string())


def render(now: RunStatus, width: int) -> RenderableType:
    """Draw the screen of a run.

    Args:
        now: What the run's folder says.
        width: Columns of the screen.

    Returns:
        The screen, for rich.
    """
    parts: list[RenderableType] = []
    if now.progress:
        p = now.progress
        state = "lost: its process is gone" if now.lost else now.state.value
        head = Table.grid(padding=(0, 2))
        head.add_row(
            state,
            f"{p['minutes']:.1f} of {p['budget']:.0f} minutes",
            f"{p['samples']:.0f} samples",
            f"{p['pace']:.0f}/s",
        )
        bar = ProgressBar(p["budget"], min(p["minutes"], p["budget"]), width=width)
        losses = "  ".join(f"{k} {v:.4f}" for k, v in now.losses.items())
        parts += [head, bar, Text(losses)]
    if now.history:
        names = [n for n in now.history[-1] if n not in ("minutes", "samples")]
        losses_drawn = [n for n in names if n.endswith("loss")]
        figures = [n for n in names if not n.endswith("loss")]
        if len(now.history) > 1:
            parts.append(_plot(now.history, figures, "on the validation split", width))
            parts.append(_plot(now.history, losses_drawn, "loss, over minutes", width))
        table = Table("minutes", "samples", *names)
        for row in now.history[-8:]:
            shown = [f"{row[n]:.4f}" if n in row else "–" for n in names]
            table.add_row(f"{row['minutes']:.1f}", f"{row['samples']:.0f}", *shown)
        parts.append(table)
    else:
        parts.append(Text("not yet judged on the validation split"))
    return Group(*parts)


def watch(
    run: Path, console: Console, every_s: float = 1.0, sleep: Callable[[float], None] = time.sleep
) -> RunStatus:
    """Show a run until it ends, stops, or its process is gone.

    Args:
        run: The run's folder.
        console: Where it is shown.
        every_s: Seconds between two readings.
        sleep: Waits so many seconds.

    Returns:
        What the run's folder said last.

    Raises:
        MissingRunError: The folder holds no run.
    """
    now = read_status(run)
    width = min(console.width, 100)
    with Live(render(now, width), console=console, auto_refresh=False) as live:
        while now.state is State.RUNNING and not now.lost:
            sleep(every_s)
            now = read_status(run)
            live.update(render(now, width), refresh=True)
    if now.lost:
        console.print(f"[yellow]{run}: its process ended and wrote no state; go on with --resume")
    return now
