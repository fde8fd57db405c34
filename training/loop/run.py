"""A training run: what is trained, how far it is, and how it is carried out this time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import torch
from rich.console import Console
from torch import nn
from torch.utils.data import IterableDataset

from training.loop.device import SINGLE_PROCESS, Process
from training.networks.checkpoint import Configuration
from training.networks.run_summary import NOTHING, RunSummary, summarise
from training.records.pictures import Pixels

Losses: TypeAlias = Callable[[nn.Module, Any], dict[str, torch.Tensor]]
"""A model and a batch → each part of the loss by its name."""

Stream: TypeAlias = Callable[[int, int], IterableDataset[Any]]
"""A seed and a batch size → an endless stream of batches."""

Evaluate: TypeAlias = Callable[[nn.Module], dict[str, float]]
"""A model → its figures on the validation split, by name."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a model learns.

    Attributes:
        losses: The parts of the loss for a batch; training minimises their sum.
        evaluate: The model's figures on the validation split.
        goal: The name of the figure by which the best model is chosen: the higher, the better.
        samples: Makes a few training samples with captions, for the preview sheet; None where
            there is no sheet.
    """

    losses: Losses
    evaluate: Evaluate
    goal: str
    samples: Callable[[], Sequence[tuple[Pixels, str]]] | None = None


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What a run learns from, in numbers.

    Attributes:
        faces: Training faces of each class; 0 where a class has none.
        drawn_faces: Bare faces on which masks are drawn.
        pictures: Pictures of the training split.
    """

    faces: dict[str, int] = field(default_factory=dict)
    drawn_faces: int = 0
    pictures: int = 0


@dataclass(slots=True)
class Run:
    """How far a run is. Checkpoints hold this, and curves.png shows the history.

    Attributes:
        folder: Where the run's files are.
        configuration: What the model is and how it is trained.
        minutes: The time budget, of all the run's parts together, validations left out.
        most_steps: Optimiser steps after which the run ends, in place of the time budget.
        elapsed: Seconds that were trained, validations left out.
        samples: Training samples of this run.
        samples_before: Training samples of the runs that this run began from.
        steps: Optimiser steps.
        best: The best figure so far; -1 before the first evaluation.
        history: The figures of each evaluation.
        began_from: What the run began from, as `RunSummary.began_from` says it.
        data: What the run learns from.
    """

    folder: Path
    configuration: Configuration
    minutes: float
    most_steps: int | None = None
    elapsed: float = 0.0
    samples: int = 0
    samples_before: int = 0
    steps: int = 0
    best: float = -1.0
    history: list[dict[str, float]] = field(default_factory=list)
    began_from: str = NOTHING
    data: TrainingData = field(default_factory=TrainingData)

    @property
    def progress(self) -> float:
        """The share of the budget that is spent: of the steps if they are limited, else of time."""
        if self.most_steps is not None:
            return self.steps / self.most_steps
        return self.elapsed / (self.minutes * 60)

    def summary(self, goal: str) -> RunSummary:
        """Summarise the run as far as it came; `goal` names the figure that is to improve."""
        return summarise(
            kind=self.configuration.kind,
            began_from=self.began_from,
            training_faces=self.data.faces,
            drawn_faces=self.data.drawn_faces,
            training_pictures=self.data.pictures,
            samples=self.samples,
            samples_before=self.samples_before,
            goals=[row[goal] for row in self.history if goal in row],
        )


@dataclass(frozen=True, slots=True)
class Options:
    """How a run is carried out this time. A run may be resumed with other options.

    Attributes:
        console: Shows the progress.
        resume: Go on from `last.pt`.
        every: Minutes between two evaluations on the validation split. A run whose steps are
            limited is evaluated ten times, whatever the time, so that it can be repeated.
        patience: Evaluations without a better goal after which the run ends early; None never.
        process: This process, of one or several.
        workers: Processes that make the samples; with 0 the training process makes them.
        tensorboard: Write TensorBoard's event files, too.
        mlflow: URI of MLflow, which records the run, too; None does not.
        preview: Write the preview sheet alone, and train nothing.
        numbered: Whether the run's folder is the usual one, which links to a numbered folder.
    """

    console: Console
    resume: bool = False
    every: float = 5.0
    patience: int | None = None
    process: Process = SINGLE_PROCESS
    workers: int = 1
    tensorboard: bool = False
    mlflow: str | None = None
    preview: bool = False
    numbered: bool = False

    def announce(self, model: nn.Module, pictures: str, judged: str) -> None:
        """Print the size of a model and of its data, in the main process alone.

        Args:
            model: The model that is trained.
            pictures: What it learns from, in words.
            judged: What it is evaluated on, in words.
        """
        if self.process.is_main:
            count = sum(p.numel() for p in model.parameters())
            self.console.print(f"{count} parameters, {pictures}, judged on {judged}")
