"""`python -m training evaluate`: installed models, and runs that are not installed yet."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from training.commands.options import (
    ClassifierRun,
    DetectorRun,
    Installed,
    JsonFile,
    Labels,
    LeastSide,
    Prepared,
    RunFolder,
    Templates,
    own_labels,
)
from training.figures.tables import warning_block
from training.graphs.installed import MODELS, InstalledClassifier, ModelPair, installed, pairs_in
from training.measuring.evaluate_classifier import evaluate_classifier
from training.measuring.evaluate_detector import evaluate_detector
from training.measuring.evaluate_gender import (
    evaluate_gender,
    evaluate_installed_gender,
    gender_table,
)
from training.measuring.evaluate_installed import (
    Evaluation,
    evaluate_installed_classifier,
    evaluate_installed_pipeline,
)
from training.measuring.evaluate_pipeline import evaluate_pipeline
from training.measuring.evaluation_set import boxed_by_people, open_evaluation_set
from training.measuring.fairness import measure_fairness
from training.measuring.shipped_comparison import comparison_table, risks_of
from training.preparing.prepare import prepared_templates
from training.samples.gender_crops import GENDER_SET
from training.samples.synthetic_masks import read_templates
from training.storage import write_json

_GENDER_RUN = Path("var/training/gender")

console = Console()
people = Console(stderr=True)
"""For tables and warnings; standard output is for the JSON."""

app = typer.Typer(
    no_args_is_help=True,
    help=(
        "Measure models. `classifier`, `pipeline`, `fairness` and `gender` measure installed "
        "models, or files that you name. `detector`, `all`, `classifier --run` and `gender --run` "
        "measure the best checkpoint of a run. "
        "Standard output gets the figures as JSON."
    ),
)

Elsewhere = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help=(
            "Folder of pictures to measure on, instead of the prepared ones: COCO, VOC, YOLO or "
            "class folders (with_mask, without_mask, incorrect_mask)."
        ),
    ),
]
DetectorFile = Annotated[
    Path | None,
    typer.Option("--detector", help="File of a detector (.xml), instead of the installed one."),
]
ClassifierFile = Annotated[
    Path | None,
    typer.Option("--classifier", help="File of a classifier (.xml), instead of the installed one."),
]
Pictures = Annotated[
    Path,
    typer.Option(help="Folder for the plots: confusion.png, roc.png, pr.png and faces-pr.png."),
]


def _pair(models: Path, detector: Path | None, classifier: Path | None) -> ModelPair:
    """Return the installed models in their first precision, unless files are named."""
    if detector is not None and classifier is not None:
        return ModelPair(detector, classifier, f"{detector.name} and {classifier.name}")
    ours = pairs_in(models)[0]
    name = ours.name if detector is None and classifier is None else "ours, one file of another"
    return ModelPair(detector or ours.detector, classifier or ours.classifier, name)


def _tell(done: Evaluation, pictures: Path, json_file: Path | None) -> None:
    people.print(done.as_table())
    for line in done.warnings:
        people.print(f"[yellow]{line}", highlight=False)
    for line in done.dataset.problems[:10]:
        people.print(f"[yellow]{line}", highlight=False)
    if len(done.dataset.problems) > 10:
        people.print(f"{len(done.dataset.problems)} problems; the JSON holds all of them")
    for path in done.draw(pictures):
        people.print(f"{path} drawn", highlight=False)
    done.write_mistakes(pictures / "mistakes.html")
    people.print(f"{pictures / 'mistakes.html'}: each wrong verdict", highlight=False)
    figures = done.as_json()
    if json_file is not None:
        write_json(figures, json_file)
    console.print_json(data=figures)


def _tell_of_run(run: Path, figures: dict[str, object], json_file: Path | None) -> None:
    """Show a run's classifier beside the shipped one, and what is not known about it."""
    table = comparison_table(figures, run.name)
    people.print(table or "the shipped model is not there: nothing to compare with")
    if risks := risks_of(figures):
        people.print(warning_block("before this model decides at a door", risks))
    people.print(f"{run / 'mistakes.html'}: each wrong verdict", highlight=False)
    if json_file is not None:
        write_json(figures, json_file)
    console.print_json(data=figures)


@app.command("classifier")
def evaluate_classifier_command(
    *,
    prepared: Prepared = Path("var/training/prepared"),
    run: Annotated[
        Path | None,
        typer.Option(
            help="Folder of a run: measure its best checkpoint instead, and choose its temperature "
            "and threshold on the validation split."
        ),
    ] = None,
    data: Elsewhere = None,
    label: Labels = None,
    models: Installed = MODELS,
    classifier: ClassifierFile = None,
    least_side: LeastSide = 32,
    pictures: Pictures = Path("var/training/evaluation/classifier"),
    json_file: JsonFile = None,
    templates: Templates = None,
) -> None:
    """Measure the classifier on faces whose boxes are known.

    Accuracy, precision, recall, F1, confusion, false admits and false refusals, with 95 %
    intervals, by face size, sharpness, brightness and source.
    """
    labels = own_labels(label or [])
    if run is not None:
        masks = templates or prepared_templates(prepared)
        _tell_of_run(run, evaluate_classifier(run, prepared, data, masks, labels), json_file)
        return
    judge = InstalledClassifier(_pair(models, None, classifier).classifier)
    faces = open_evaluation_set(prepared, data, labels=labels)
    done = evaluate_installed_classifier(faces, judge, least_side)
    _tell(done, pictures, json_file)


@app.command("pipeline")
def evaluate_pipeline_command(
    *,
    prepared: Prepared = Path("var/training/prepared"),
    data: Elsewhere = None,
    label: Labels = None,
    models: Installed = MODELS,
    detector: DetectorFile = None,
    classifier: ClassifierFile = None,
    least_side: LeastSide = 32,
    pictures: Pictures = Path("var/training/evaluation/pipeline"),
    json_file: JsonFile = None,
) -> None:
    """Measure detector and classifier together on whole pictures, as at the door.

    The figures are face AP, right verdicts (a missed face counts as a wrong one), false admits
    and false refusals, with 95 % intervals, by condition.
    """
    system = installed(_pair(models, detector, classifier))
    done = evaluate_installed_pipeline(
        open_evaluation_set(prepared, data, boxed_by_people, own_labels(label or [])),
        system,
        least_side,
    )
    _tell(done, pictures, json_file)


@app.command("fairness")
def evaluate_fairness_command(
    *,
    prepared: Prepared = Path("var/training/prepared"),
    models: Installed = MODELS,
    classifier: ClassifierFile = None,
    least_side: LeastSide = 32,
    json_file: JsonFile = None,
    templates: Templates = None,
) -> None:
    """Measure the classifier by sex, race group and age band, on the held-out gender set.

    The figures are the recall of faces without a mask, the false refusals of the same faces with a
    mask drawn on, and the distance between the best and the worst group.
    """
    judge = InstalledClassifier(_pair(models, None, classifier).classifier)
    folder = templates or prepared_templates(prepared)
    drawn = read_templates(folder) if folder else []
    people_set = open_evaluation_set(prepared, None, lambda r: r.set in GENDER_SET)
    done = measure_fairness(people_set, judge, drawn, least_side)
    people.print(done.as_table())
    for why, count in done.left_out.items():
        people.print(f"[yellow]{count} faces left out: {why}", highlight=False)
    figures = done.as_json()
    if json_file is not None:
        write_json(figures, json_file)
    console.print_json(data=figures)


@app.command("detector")
def evaluate_detector_command(
    prepared: Prepared = Path("var/training/prepared"),
    run: RunFolder = None,
    data: Elsewhere = None,
    label: Labels = None,
) -> None:
    """Measure a run's detector, on pictures as the edge shows them to it.

    The figures are the average precision, and the thresholds that `export` writes.
    """
    folder, labels = run or Path("var/training/detector"), own_labels(label or [])
    console.print_json(data=evaluate_detector(folder, prepared, data, labels))


@app.command("gender")
def evaluate_gender_command(
    prepared: Prepared = Path("var/training/prepared"),
    run: Annotated[
        Path | None,
        typer.Option(
            help=f"Folder of a run: measure its best checkpoint, and choose its temperature. "
            f"Default: {_GENDER_RUN}, if it holds a checkpoint; else the installed head."
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder of face crops named age_gender_race_stamp, instead of the validation "
            "split."
        ),
    ] = None,
    models: Annotated[
        Path | None,
        typer.Option(
            help=f"Folder of installed models, with their manifest.json: measure the gender head "
            f"in it. Default, where there is no run: {MODELS}."
        ),
    ] = None,
) -> None:
    """Measure the gender head: balanced accuracy, and by gender, race group and age band.

    Each figure has its 95 % interval. A run's head is measured, or the installed one.
    """
    if run is None and models is None and (_GENDER_RUN / "best.pt").is_file():
        run = _GENDER_RUN
    if run is not None:
        figures = evaluate_gender(run, prepared, data)
    else:
        figures = evaluate_installed_gender(models or MODELS, prepared, data)
    people.print(gender_table(figures))
    people.print(f"measured: {figures.get('measured', run)}", highlight=False)
    console.print_json(data=figures)


@app.command("all")
def evaluate_all_command(
    prepared: Prepared = Path("var/training/prepared"),
    detector: DetectorRun = Path("var/training/detector"),
    classifier: ClassifierRun = Path("var/training/classifier"),
    templates: Templates = None,
) -> None:
    """Measure a run's detector and classifier, alone and together, on the validation split.

    The command chooses the thresholds that `export` needs.
    """
    masks = templates or prepared_templates(prepared)
    judged = evaluate_classifier(classifier, prepared, None, masks)
    figures = {
        "detector": evaluate_detector(detector, prepared, None),
        "classifier": judged,
        "pipeline": evaluate_pipeline(detector, classifier, prepared, None),
    }
    if risks := risks_of(judged):
        people.print(warning_block("before this model decides at a door", risks))
    console.print_json(data=figures)
