"""`python -m training train`: the detector, the classifier, the gender head."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from training.commands.options import Prepared, RunFolder, TemplateData, templates_of
from training.loop.device import DeviceChoice, open_process
from training.loop.tasks import train_classifier, train_detector, train_gender
from training.loop.train import Options, Run
from training.networks.architectures import ARCHITECTURES, configuration_of
from training.networks.checkpoint import DETECTOR, GENDER, configured
from training.samples.suspect_list import read_suspects

console = Console()

app = typer.Typer(
    no_args_is_help=True, help="Train a model within a time budget; stop and --resume as you like."
)
Resume = Annotated[bool, typer.Option(help="Go on from the run's last checkpoint.")]
Minutes = Annotated[float, typer.Option(help="Time budget; the schedule is shaped to it.")]
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


Architecture = Annotated[str, typer.Option(help="What to train: " + ", ".join(ARCHITECTURES) + ".")]
Device = Annotated[
    DeviceChoice,
    typer.Option(help="Where to multiply; auto takes a GPU where torch sees one."),
]
Workers = Annotated[
    int, typer.Option(min=0, help="Processes that make the samples, for each that trains.")
]
TensorBoard = Annotated[
    bool, typer.Option("--tensorboard", help="Write TensorBoard's event files into the run, too.")
]


@contextmanager
def options_of(
    *,
    resume: bool,
    every: float,
    threads: int | None,
    device: DeviceChoice,
    workers: int,
    tensorboard: bool,
) -> Iterator[Options]:
    """How the command line says that a run is to be carried out."""
    if threads:
        torch.set_num_threads(threads)
    with open_process(device) as process:
        yield Options(console, resume, every, process, workers, tensorboard)


@app.command("detector")
def train_detector_command(
    *,
    data: TemplateData = None,
    prepared: Prepared = Path("var/training/prepared"),
    run: RunFolder = None,
    minutes: Minutes = 60,
    every: Every = 5,
    resume: Resume = False,
    begin_from: BeginFrom = None,
    batch: Batch = None,
    size: Size = None,
    rate: Rate = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Of the scenes; give a run that begins from another one a new seed."),
    ] = None,
    depth: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Blocks that each part has beyond the smallest network's. A deeper one may "
            "--begin-from a less deep one.",
        ),
    ] = None,
    threads: Threads = None,
    device: Device = DeviceChoice.AUTO,
    workers: Workers = 1,
    tensorboard: TensorBoard = False,
    teacher: Annotated[
        Path | None,
        typer.Option(
            help="YuNet's ONNX file with dynamic input: what it says of each scene is learnt "
            "beside the labels, so that a face that nobody labelled is no background."
        ),
    ] = None,
) -> None:
    """Train the face detector.

    On several GPUs of one machine: torchrun --nproc-per-node 4 -m training train detector …
    """
    configuration = configured(DETECTOR, batch=batch, size=size, rate=rate, depth=depth, seed=seed)
    progress = Run(run or Path("var/training/detector"), configuration, minutes)
    with options_of(
        resume=resume,
        every=every,
        threads=threads,
        device=device,
        workers=workers,
        tensorboard=tensorboard,
    ) as options:
        train_detector(
            prepared, templates_of(prepared, data), progress, options, begin_from, teacher=teacher
        )


@app.command("classifier")
def train_classifier_command(
    *,
    architecture: Architecture = "ours",
    data: TemplateData = None,
    prepared: Prepared = Path("var/training/prepared"),
    run: RunFolder = None,
    minutes: Minutes = 25,
    every: Every = 3,
    resume: Resume = False,
    begin_from: BeginFrom = None,
    batch: Batch = None,
    size: Size = None,
    rate: Rate = None,
    threads: Threads = None,
    device: Device = DeviceChoice.AUTO,
    workers: Workers = 1,
    tensorboard: TensorBoard = False,
    without: Annotated[
        Path | None,
        typer.Option(
            help="A suspects.jsonl (`python -m training suspects`): faces not to learn from."
        ),
    ] = None,
) -> None:
    """Train the mask classifier: ours, or one to compare it with."""
    configuration = configured(configuration_of(architecture), batch=batch, size=size, rate=rate)
    folder = "classifier" if architecture == "ours" else architecture
    progress = Run(run or Path("var/training") / folder, configuration, minutes)
    with options_of(
        resume=resume,
        every=every,
        threads=threads,
        device=device,
        workers=workers,
        tensorboard=tensorboard,
    ) as options:
        train_classifier(
            prepared,
            templates_of(prepared, data),
            progress,
            options,
            begin_from,
            suspects=list(read_suspects(without)) if without else (),
        )


@app.command("gender")
def train_gender_command(
    *,
    prepared: Prepared = Path("var/training/prepared"),
    run: RunFolder = None,
    minutes: Minutes = 20,
    every: Every = 3,
    resume: Resume = False,
    begin_from: Annotated[
        Path | None, typer.Option(help="Run of a mask classifier whose trunk to start with.")
    ] = None,
    batch: Batch = None,
    size: Size = None,
    rate: Rate = None,
    threads: Threads = None,
    device: Device = DeviceChoice.AUTO,
    workers: Workers = 1,
    tensorboard: TensorBoard = False,
) -> None:
    """Train the optional gender head on adult faces named age_gender_race_stamp."""
    configuration = configured(GENDER, batch=batch, size=size, rate=rate)
    progress = Run(run or Path("var/training/gender"), configuration, minutes)
    with options_of(
        resume=resume,
        every=every,
        threads=threads,
        device=device,
        workers=workers,
        tensorboard=tensorboard,
    ) as options:
        train_gender(prepared, progress, options, begin_from)
