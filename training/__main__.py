"""`python -m training`: prepare, train, evaluate, export."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from training.commands import train
from training.commands.compare import compare_command
from training.commands.options import Data, Prepared, RunFolder
from training.commands.report import report_command
from training.commands.watch import watch_command
from training.errors import TrainingError
from training.evaluate import evaluate_classifier, evaluate_detector, evaluate_pipeline
from training.evaluate_gender import evaluate_gender
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

DetectorRun = Annotated[Path, typer.Option(help="The detector's run.")]
ClassifierRun = Annotated[Path, typer.Option(help="The classifier's run.")]

evaluate = typer.Typer(
    no_args_is_help=True,
    help="Measure a trained model; JSON on standard output, pictures in the run's folder.",
)
app.add_typer(evaluate, name="evaluate")

Elsewhere = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help=(
            "A folder to measure on instead of the validation split: COCO, VOC, YOLO or class "
            "folders."
        ),
    ),
]
Templates = Annotated[
    Path,
    typer.Option(help="Folder of mask pictures with masks.cfg, for the drawn validation faces."),
]


@evaluate.command("detector")
def evaluate_detector_command(
    prepared: Prepared = Path("var/training/prepared"),
    run: RunFolder = None,
    data: Elsewhere = None,
) -> None:
    """Average precision of the faces found, and the threshold of the best F0.5."""
    console.print_json(data=evaluate_detector(run or Path("var/training/detector"), prepared, data))


@evaluate.command("classifier")
def evaluate_classifier_command(
    prepared: Prepared = Path("var/training/prepared"),
    run: RunFolder = None,
    data: Elsewhere = None,
    templates: Templates = Path("../shared/data/mask_templates"),
) -> None:
    """Accuracy, precision, recall, F1, confusion, false admits and refusals; chooses temperature
    and threshold.
    """
    console.print_json(
        data=evaluate_classifier(run or Path("var/training/classifier"), prepared, data, templates)
    )


@evaluate.command("pipeline")
def evaluate_pipeline_command(
    prepared: Prepared = Path("var/training/prepared"),
    detector: DetectorRun = Path("var/training/detector"),
    classifier: ClassifierRun = Path("var/training/classifier"),
    data: Elsewhere = None,
) -> None:
    """Whole pictures through both models: how many faces get the right verdict."""
    console.print_json(data=evaluate_pipeline(detector, classifier, prepared, data))


@evaluate.command("gender")
def evaluate_gender_command(
    prepared: Prepared = Path("var/training/prepared"),
    run: RunFolder = None,
    data: Annotated[
        Path | None,
        typer.Option(help="A folder of face crops named age_gender_race_stamp to measure on."),
    ] = None,
) -> None:
    """Accuracy of the gender head: balanced, and by gender, race group and age band."""
    console.print_json(data=evaluate_gender(run or Path("var/training/gender"), prepared, data))


@evaluate.command("all")
def evaluate_all_command(
    prepared: Prepared = Path("var/training/prepared"),
    detector: DetectorRun = Path("var/training/detector"),
    classifier: ClassifierRun = Path("var/training/classifier"),
    templates: Templates = Path("../shared/data/mask_templates"),
) -> None:
    """Detector, classifier and pipeline on the validation split: all that export asks for."""
    figures = {
        "detector": evaluate_detector(detector, prepared, None),
        "classifier": evaluate_classifier(classifier, prepared, None, templates),
        "pipeline": evaluate_pipeline(detector, classifier, prepared, None),
    }
    console.print_json(data=figures)


@app.command()
def export(
    *,
    prepared: Prepared = Path("var/training/prepared"),
    detector: DetectorRun = Path("var/training/detector"),
    classifier: ClassifierRun = Path("var/training/classifier"),
    out: Annotated[Path, typer.Option(help="Where the edge looks for its models.")] = Path(
        "edge/models"
    ),
    card: Annotated[Path, typer.Option(help="Where the model card is written.")] = Path(
        "docs/models.md"
    ),
    version: Annotated[str, typer.Option("--model-version", help="For people and reports.")] = "1",
) -> None:
    """Write both models as OpenVINO IR, compare them with the trained ones, install them at the
    edge, write the model card.
    """
    pictures: list[Pixels] = []
    for record in read_records(prepared / "records.jsonl"):
        if record.split == "validation" and record.faces and len(pictures) < 6:
            picture = read_picture(Path(record.path))
            pictures += [picture] if picture is not None else []
    ship(
        (detector, classifier),
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
