"""The record of a run while it trains.

The record is progress.json, history.json, curves.png and, if asked for, TensorBoard's event files.
"""

import os
import platform
import time
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from training.figures.plots import draw_curves
from training.loop.mlflow_log import MlflowLog
from training.storage import write_json

EVERY_S = 2.0
"""Seconds between two versions of progress.json."""


class State(StrEnum):
    """The state of a run."""

    RUNNING = "running"
    STOPPED = "stopped"
    ENDED = "ended"


class Journal:
    """Writes the record of a run into its folder.

    Args:
        folder: The run's folder; it is made when missing.
        kind: The kind of model that is trained.
        minutes: The run's time budget.
        tensorboard: Write TensorBoard's event files, too.
        mlflow: Records the run in MLflow, too.
    """

    def __init__(
        self,
        folder: Path,
        kind: str,
        minutes: float,
        *,
        tensorboard: bool,
        mlflow: MlflowLog | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.kind, self.minutes = folder, kind, minutes
        self._told = 0.0
        self._now: dict[str, object] = {}
        self._board: Any = None
        self._mlflow = mlflow
        if tensorboard:
            # This import takes half a second and 50 modules, which only this option needs.
            from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415

            self._board = SummaryWriter(str(folder / "tensorboard"))
        self.progress(0.0, 0, 0.0, {})

    def progress(
        self, elapsed: float, samples: int, pace: float, losses: Mapping[str, float]
    ) -> None:
        """Note how far the run is; progress.json is written at most every `EVERY_S` seconds.

        Args:
            elapsed: Seconds that were trained.
            samples: Training samples of the run.
            pace: Samples a second.
            losses: The running mean of each loss.
        """
        self._now = {
            "kind": self.kind,
            "host": platform.node(),
            "pid": os.getpid(),
            "minutes": elapsed / 60,
            "budget": self.minutes,
            "samples": samples,
            "pace": pace,
            "losses": dict(losses),
        }
        if time.monotonic() - self._told < EVERY_S:
            return
        self._told = time.monotonic()
        self._tell(State.RUNNING)
        if losses:
            self._plot(samples, {"rate/samples_per_second": pace} | _named("loss", losses))

    def evaluated(self, history: list[dict[str, float]], goal: str) -> None:
        """Write and draw the history after an evaluation.

        Args:
            history: The figures of each evaluation; the last row is new.
            goal: The name of the figure that is to improve.
        """
        write_json(history, self.folder / "history.json")
        draw_curves(history, goal, self.folder / "curves.png")
        row = history[-1]
        values = {k: v for k, v in row.items() if k not in ("minutes", "samples")}
        losses = {k: v for k, v in values.items() if "loss" in k}
        figures = {k: v for k, v in values.items() if k not in losses}
        named = _named("loss", losses) | _named("validation", figures)
        self._plot(int(row["samples"]), named)
        if self._mlflow:
            self._mlflow.metrics(named, int(row["samples"]))

    def close(self, state: State) -> None:
        """Write the state in which the run ended; close TensorBoard's files and MLflow's run."""
        self._tell(state)
        if self._board is not None:
            self._board.close()
        if self._mlflow:
            self._mlflow.close("FINISHED" if state is State.ENDED else "KILLED")

    def _tell(self, state: State) -> None:
        told = self._now | {"state": state.value, "at": time.time()}
        write_json(told, self.folder / "progress.json")

    def _plot(self, samples: int, values: Mapping[str, float]) -> None:
        if self._board is None:
            return
        for name, value in values.items():
            self._board.add_scalar(name, value, samples)


def _named(group: str, values: Mapping[str, float]) -> dict[str, float]:
    return {f"{group}/{k}": v for k, v in values.items()}
