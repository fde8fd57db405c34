"""`python -m training`: collect, prepare, train, evaluate, export."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from training.commands import evaluate, train
from training.commands.average import average_command
from training.commands.bench import bench
from training.commands.collect import collect
from training.commands.compare import compare_command
from training.commands.export import export
from training.commands.options import Prepared
from training.commands.report import report_command
from training.commands.suspects import suspects_command
from training.commands.watch import watch_command
from training.errors import TrainingError
from training.loop.allocator import keep_freed_memory
from training.preparing.prepare import prepare as prepare_sets

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, rich_markup_mode="rich")


@app.callback()
def training() -> None:
    """From pictures to a model at the edge: collect, prepare, train, evaluate, export."""


console = Console()

app.command()(collect)


@app.command()
def prepare(
    *,
    data: Annotated[
        Path,
        typer.Option(
            help="Folder of pictures in COCO, VOC, YOLO or class-folder layout, or a folder of the "
            "public sets. If it holds mask_templates/, the other commands draw these masks on "
            "bare faces."
        ),
    ],
    prepared: Prepared = Path("var/training/prepared"),
    teacher: Annotated[
        Path | None,
        typer.Option(
            help="YuNet's ONNX file with dynamic input: it finds the faces in pictures that came "
            "without boxes."
        ),
    ] = None,
    test_share: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=0.5,
            help="Share of the pictures that is kept for a test split. Thresholds are then chosen "
            "on validation, and figures are taken on test. Folders named test need no share.",
        ),
    ] = 0.0,
) -> None:
    """Read sets of pictures, split them into training and validation, and write the records.

    Folders named train, val and test keep their pictures. Near-duplicates are put into the same
    split, and a training picture is left out if validation or test holds it. Look at problems.txt,
    report.png and the sheets before training.
    """
    prepare_sets(data, prepared, teacher, console, test_share=test_share)


app.add_typer(train.app, name="train")
app.command("suspects")(suspects_command)
app.command("average")(average_command)
app.command("watch")(watch_command)
app.command("report")(report_command)
app.command("compare")(compare_command)
app.command("bench")(bench)
app.add_typer(evaluate.app, name="evaluate")


app.command("export")(export)


def main() -> None:
    """Run a command; an error of training is one line on standard error, with exit code 1."""
    keep_freed_memory()
    try:
        app(standalone_mode=True)
    except TrainingError as error:
        Console(stderr=True).print(f"[red]{type(error).__name__}:[/] {error}", highlight=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
