"""`python -m training train`: the detector, the classifier, the gender head."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from training.commands.options import Prepared, RunFolder, TemplateData, templates_of
from training.loop.device import DeviceChoice, open_process
from training.loop.origin import (
    FINE_TUNING_RATE,
    SHIPPED_MODELS,
    Origin,
    origin_of,
    resumed_origin,
)
from training.loop.run import Options, Run
from training.loop.run_folder import require_no_run
from training.loop.tasks import train_classifier, train_detector, train_gender
from training.networks.architectures import ARCHITECTURES, configuration_of
from training.networks.checkpoint import DETECTOR, GENDER, Configuration, configured
from training.networks.distillation import DISTILLATION
from training.networks.run_summary import NOTHING
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
    str | None,
    typer.Option(
        help="What to begin from: `shipped` (the model that the edge has), `nothing` (random "
        "weights), a run's folder, a checkpoint file, or a folder of exported models. Default: "
        "`shipped` for the mask classifier of the shipped architecture, else `nothing`."
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        help="Seed of the first weights and of the samples. With --steps and the same number of "
        "workers and threads, a CPU repeats the run bit for bit."
    ),
]
Steps = Annotated[
    int | None,
    typer.Option(min=1, help="Number of optimiser steps of the run, in place of --minutes."),
]
Patience = Annotated[
    int | None,
    typer.Option(min=1, help="End after so many validations without a better model."),
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
MlflowUri = Annotated[
    str | None,
    typer.Option(
        "--mlflow",
        help="URI of MLflow, which also records parameters, curves and files. It needs the "
        "library mlflow-skinny.",
    ),
]
Preview = Annotated[
    bool,
    typer.Option(
        "--preview", help="Draw a sheet of augmented training samples, and train nothing."
    ),
]


@contextmanager
def options_of(
    *,
    resume: bool,
    every: float,
    patience: int | None,
    threads: int | None,
    device: DeviceChoice,
    workers: int,
    tensorboard: bool,
    mlflow: str | None,
    preview: bool,
    numbered: bool,
) -> Iterator[Options]:
    """Open the process group, and yield how the run is to be carried out."""
    if threads:
        torch.set_num_threads(threads)
    with open_process(device) as process:
        yield Options(
            console,
            resume,
            every,
            patience,
            process,
            workers,
            tensorboard,
            mlflow=mlflow,
            preview=preview,
            numbered=numbered,
        )


def run_of(
    run: Path | None,
    usual: str,
    base: Configuration,
    begin_from: str | None,
    default: str,
    *,
    resume: bool,
    minutes: float,
    steps: int | None,
    **changes: float | int | None,
) -> tuple[Run, Origin]:
    """Return the run that a command is about, and what it begins from.

    Args:
        run: The folder that was named, or None.
        usual: Name of the usual folder in `var/training`.
        base: Configuration of a new model.
        begin_from: The value of --begin-from, or None.
        default: What a new run begins from where nothing is said.
        resume: Whether the run goes on.
        minutes: The time budget.
        steps: The steps that take its place, or None.
        **changes: Fields of the configuration that were given.

    Returns:
        The run and its origin.

    Raises:
        ExistingRunError: The named folder holds a run, and the run is not to go on.
        MissingCheckpointError: The path of --begin-from is not there.
    """
    folder = run or Path("var/training") / usual
    if run and not resume:
        require_no_run(run)
    origin = resumed_origin(folder) if resume and begin_from is None else None
    origin = origin or origin_of(begin_from or default)
    if origin.exported:
        base = replace(base, rate=base.rate * FINE_TUNING_RATE)
    return Run(folder, configured(base, **changes), minutes, steps), origin


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
    seed: Seed = None,
    steps: Steps = None,
    patience: Patience = None,
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
    mlflow: MlflowUri = None,
    preview: Preview = False,
    teacher: Annotated[
        Path | None,
        typer.Option(
            help="YuNet's ONNX file with dynamic input. The detector also learns what YuNet finds "
            "in each scene, so that it does not take an unlabelled face for background."
        ),
    ] = None,
) -> None:
    """Train the face detector.

    On several GPUs of one machine: torchrun --nproc-per-node 4 -m -- training train detector …
    """
    progress, origin = run_of(
        run,
        "detector",
        DETECTOR,
        begin_from,
        NOTHING,
        resume=resume,
        minutes=minutes,
        steps=steps,
        batch=batch,
        size=size,
        rate=rate,
        depth=depth,
        seed=seed,
    )
    with options_of(
        resume=resume,
        every=every,
        patience=patience,
        threads=threads,
        device=device,
        workers=workers,
        tensorboard=tensorboard,
        mlflow=mlflow,
        preview=preview,
        numbered=run is None,
    ) as options:
        train_detector(
            prepared, templates_of(prepared, data), progress, options, origin, teacher=teacher
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
    distillation: Annotated[
        float,
        typer.Option(
            min=0,
            help="Weight of the loss that keeps the answers of the exported model that the run "
            "begins from, so that classes which your pictures lack are not forgotten; 0: no such "
            "loss.",
        ),
    ] = DISTILLATION,
    batch: Batch = None,
    size: Size = None,
    rate: Rate = None,
    seed: Seed = None,
    steps: Steps = None,
    patience: Patience = None,
    threads: Threads = None,
    device: Device = DeviceChoice.AUTO,
    workers: Workers = 1,
    tensorboard: TensorBoard = False,
    mlflow: MlflowUri = None,
    preview: Preview = False,
    without: Annotated[
        Path | None,
        typer.Option(
            help="File suspects.jsonl from `python -m training suspects`: faces to leave out."
        ),
    ] = None,
) -> None:
    """Train the mask classifier, or another architecture to compare it with."""
    ours = architecture == "ours"
    progress, origin = run_of(
        run,
        "classifier" if ours else architecture,
        configuration_of(architecture),
        begin_from,
        SHIPPED_MODELS if ours else NOTHING,
        resume=resume,
        minutes=minutes,
        steps=steps,
        batch=batch,
        size=size,
        rate=rate,
        seed=seed,
    )
    with options_of(
        resume=resume,
        every=every,
        patience=patience,
        threads=threads,
        device=device,
        workers=workers,
        tensorboard=tensorboard,
        mlflow=mlflow,
        preview=preview,
        numbered=run is None,
    ) as options:
        train_classifier(
            prepared,
            templates_of(prepared, data),
            progress,
            options,
            origin,
            suspects=list(read_suspects(without)) if without else (),
            distillation=distillation,
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
        str | None,
        typer.Option(
            help="What to begin from: `shipped` (the gender head that the edge has), `nothing` "
            "(the default), the run of a mask classifier, whose trunk is taken, or a checkpoint "
            "file."
        ),
    ] = None,
    batch: Batch = None,
    size: Size = None,
    rate: Rate = None,
    seed: Seed = None,
    steps: Steps = None,
    patience: Patience = None,
    threads: Threads = None,
    device: Device = DeviceChoice.AUTO,
    workers: Workers = 1,
    tensorboard: TensorBoard = False,
    mlflow: MlflowUri = None,
    preview: Preview = False,
) -> None:
    """Train the optional gender head, on adult faces named age_gender_race_stamp."""
    progress, origin = run_of(
        run,
        "gender",
        GENDER,
        begin_from,
        NOTHING,
        resume=resume,
        minutes=minutes,
        steps=steps,
        batch=batch,
        size=size,
        rate=rate,
        seed=seed,
    )
    with options_of(
        resume=resume,
        every=every,
        patience=patience,
        threads=threads,
        device=device,
        workers=workers,
        tensorboard=tensorboard,
        mlflow=mlflow,
        preview=preview,
        numbered=run is None,
    ) as options:
        train_gender(prepared, progress, options, origin)
