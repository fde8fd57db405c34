"""`python -m training train`: the detector, the classifier."""

from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from training.checkpoint import CLASSIFIER, DETECTOR, configured
from training.commands.options import Data, Prepared, RunFolder
from training.tasks import train_classifier, train_detector
from training.train import Run

console = Console()

app = typer.Typer(
    no_args_is_help=True, help="Train a model within a time budget; stop and --resume as you like."
)
Resume = Annotated[bool, typer.Option(help="Go on from the run's last checkpoint.")]
Every = Annotated[float, typer.Option(help="Minutes between two looks at the validation split.")]
Batch = Annotated[int | None, typer.Option(help="Samples in a step.")]
Size = Annotated[int | None, typer.Option(help="Side of the training samples in pixels.")]
Rate = Annotated[float | None, typer.Option(help="Highest learning rate.")]
BeginFrom = Annotated[
    Path | None, typer.Option(help="Run whose best weights to start with, to train it further.")
]
Threads = Annotated[
    int | None,
    typer.Option(
        help="CPU threads for the step; by default all. Another process makes the samples."
    ),
]


def limit_threads(threads: int | None) -> None:
    """Leave cores to others on the same machine."""
    if threads:
        torch.set_num_threads(threads)


@app.command("detector")
def train_detector_command(
    *,
    data: Data = Path("../shared/data"),
    prepared: Prepared = Path("var/training/prepared"),
    run: RunFolder = None,
    minutes: Annotated[float, typer.Option(help="Time budget; the schedule is shaped to it.")] = 60,
    every: Every = 5,
    resume: Resume = False,
    begin_from: BeginFrom = None,
    batch: Batch = None,
    size: Size = None,
    rate: Rate = None,
    threads: Threads = None,
) -> None:
    """Train the face detector."""
    limit_threads(threads)
    configuration = configured(DETECTOR, batch=batch, size=size, rate=rate)
    progress = Run(run or Path("var/training/detector"), configuration, minutes)
    train_detector(
        prepared,
        data / "mask_templates",
        progress,
        resume=resume,
        origin=begin_from,
        every=every,
        console=console,
    )


@app.command("classifier")
def train_classifier_command(
    *,
    data: Data = Path("../shared/data"),
    prepared: Prepared = Path("var/training/prepared"),
    run: RunFolder = None,
    minutes: Annotated[float, typer.Option(help="Time budget; the schedule is shaped to it.")] = 25,
    every: Every = 3,
    resume: Resume = False,
    begin_from: BeginFrom = None,
    batch: Batch = None,
    size: Size = None,
    rate: Rate = None,
    threads: Threads = None,
) -> None:
    """Train the mask classifier."""
    limit_threads(threads)
    configuration = configured(CLASSIFIER, batch=batch, size=size, rate=rate)
    progress = Run(run or Path("var/training/classifier"), configuration, minutes)
    train_classifier(
        prepared,
        data / "mask_templates",
        progress,
        resume=resume,
        origin=begin_from,
        every=every,
        console=console,
    )
