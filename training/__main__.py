"""`python -m training`: collect, prepare, train, evaluate, export."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from training.commands import evaluate, train
from training.commands.bench import bench
from training.commands.collect import collect
from training.commands.compare import compare_command
from training.commands.options import ClassifierRun, Data, DetectorRun, Prepared
from training.commands.report import report_command
from training.commands.watch import watch_command
from training.errors import TrainingError
from training.layouts import Pixels, read_picture
from training.memory import keep_freed_memory
from training.prepare import prepare as prepare_sets
from training.records import read_records
from training.shipping import ship

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, rich_markup_mode="rich")


@app.callback()
def workshop() -> None:
    """From pictures to a model at the edge: prepare, train, evaluate, export."""


console = Console()

app.command()(collect)


@app.command()
def prepare(
    data: Data = Path("../shared/data"),
    prepared: Prepared = Path("var/training/prepared"),
    teacher: Annotated[
        Path | None,
        typer.Option(
            help="YuNet's ONNX (dynamic input): labels the faces of pictures without boxes."
        ),
    ] = None,
) -> None:
    """Read the sets, split them by source, join near-duplicates, and count what is there."""
    prepare_sets(data, prepared, teacher, console)


app.add_typer(train.app, name="train")
app.command("watch")(watch_command)
app.command("report")(report_command)
app.command("compare")(compare_command)
app.command("bench")(bench)
app.add_typer(evaluate.app, name="evaluate")


DETECTOR_RUN = Path("var/training/detector")
CLASSIFIER_RUN = Path("var/training/classifier")


@app.command()
def export(
    *,
    prepared: Prepared = Path("var/training/prepared"),
    detector: DetectorRun = DETECTOR_RUN,
    classifier: ClassifierRun = CLASSIFIER_RUN,
    out: Annotated[Path, typer.Option(help="Where the edge looks for its models.")] = Path(
        "edge/models"
    ),
    card: Annotated[Path, typer.Option(help="Where the model card is written.")] = Path(
        "docs/models.md"
    ),
    version: Annotated[str, typer.Option("--model-version", help="For people and reports.")] = "1",
) -> None:
    """Write both models as OpenVINO IR, compare them with the trained ones, install them at the
    edge, write the model card. A model without a run of its own stays the one that the edge has.
    """
    pictures: list[Pixels] = []
    for record in read_records(prepared / "records.jsonl"):
        if record.split == "validation" and record.faces and len(pictures) < 6:
            picture = read_picture(Path(record.path))
            pictures += [picture] if picture is not None else []
    runs = [
        None if run == usual and other.is_dir() and not run.is_dir() else run
        for run, usual, other in (
            (detector, DETECTOR_RUN, classifier),
            (classifier, CLASSIFIER_RUN, detector),
        )
    ]
    ship(
        (runs[0], runs[1]),
        prepared,
        out,
        card=card,
        version=version,
        pictures=pictures,
        console=console,
    )


def main() -> None:
    """Run a command; an error of ours is one line and exit code 1."""
    keep_freed_memory()
    try:
        app(standalone_mode=True)
    except TrainingError as error:
        Console(stderr=True).print(f"[red]{type(error).__name__}:[/] {error}", highlight=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
