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
from training.loop.run import Options, Run
from training.loop.tasks import train_classifier, train_detector, train_gender
from training.networks.architectures import ARCHITECTURES, configuration_of
from training.networks.checkpoint import DETECTOR, GENDER, configured
from training.samples.suspect_list import read_suspects

console = Console()

app = typer.Typer(
    no_args_is_help=True,
    help="Train a model within a time budget. Stop it with Ctrl-C, and continue with --resume.",
)
Resume = Annotated[bool, typer.Option(help="Continue from the last checkpoint of the run.")]
Minutes = Annotated[
    float, typer.Option(help="Time budget of the run; the learning rate falls to its end.")
]
Every = Annotated[float, typer.Option(help="Minutes between two validations.")]
Batch = Annotated[int | None, typer.Option(help="Number of samples in a step.")]
Size = Annotated[int | None, typer.Option(help="Side of the training samples in pixels.")]
Rate = Annotated[float | None, typer.Option(help="Largest learning rate.")]
BeginFrom = Annotated[
    Path | None, typer.Option(help="Folder of a run whose best weights to begin with.")
]
Threads = Annotated[
    int | None,
    typer.Option(
        help="Number of CPU threads for the step; by default all. Other processes make the samples."
    ),
]


Architecture = Annotated[
    str, typer.Option(help="Architecture to train: " + ", ".join(ARCHITECTURES) + ".")
]
Device = Annotated[
    DeviceChoice,
    typer.Option(help="Device that trains; `auto` takes a GPU if torch finds one."),
]
Workers = Annotated[
    int,
    typer.Option(
        min=0, help="Number of processes that make samples, for each process that trains."
    ),
]
TensorBoard = Annotated[
    bool,
    typer.Option(
        "--tensorboard", help="Also write TensorBoard's event files into the folder of the run."
    ),
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
    """Open the process group, and yield how the run is to be carried out."""
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
        typer.Option(
            help="Seed of the scenes; give a run that begins from another run a new seed."
        ),
    ] = None,
    depth: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Number of blocks that each part has more than the smallest network. A deeper "
            "network may --begin-from a less deep one.",
        ),
    ] = None,
    threads: Threads = None,
    device: Device = DeviceChoice.AUTO,
    workers: Workers = 1,
    tensorboard: TensorBoard = False,
    teacher: Annotated[
        Path | None,
        typer.Option(
            help="YuNet's ONNX file with dynamic input. The detector also learns what YuNet finds "
            "in each scene, so that it does not take an unlabelled face for background."
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
            help="File suspects.jsonl from `python -m training suspects`: faces to leave out."
        ),
    ] = None,
) -> None:
    """Train the mask classifier, or another architecture to compare it with."""
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
        Path | None,
        typer.Option(help="Folder of a mask classifier's run whose trunk to begin with."),
    ] = None,
    batch: Batch = None,
    size: Size = None,
    rate: Rate = None,
    threads: Threads = None,
    device: Device = DeviceChoice.AUTO,
    workers: Workers = 1,
    tensorboard: TensorBoard = False,
) -> None:
    """Train the optional gender head, on adult faces named age_gender_race_stamp."""
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
