"""`python -m training export`: to the edge, in 16 and in 8 bits, and the gender head."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from training.commands.options import ClassifierRun, DetectorRun, Prepared, Templates
from training.errors import MissingModelError
from training.preparing.prepare import prepared_templates
from training.records.pictures import Pixels, read_picture
from training.records.record import read_records
from training.shipping.card import write_card
from training.shipping.export import export_gender_head, export_models
from training.shipping.int8 import add_int8

console = Console()

DETECTOR_RUN = Path("var/training/detector")
CLASSIFIER_RUN = Path("var/training/classifier")


def compared_on(prepared: Path) -> list[Pixels]:
    """A few pictures with faces, on which exported and trained are compared."""
    pictures: list[Pixels] = []
    for record in read_records(prepared / "records.jsonl"):
        if record.split == "validation" and record.faces:
            picture = read_picture(Path(record.path))
            pictures += [picture] if picture is not None else []
        if len(pictures) == 6:
            break
    return pictures


def export(
    *,
    prepared: Prepared = Path("var/training/prepared"),
    detector: DetectorRun = DETECTOR_RUN,
    classifier: ClassifierRun = CLASSIFIER_RUN,
    gender: Annotated[
        Path | None,
        typer.Option(help="A gender head's run, to ship besides; by default none is."),
    ] = None,
    int8: Annotated[
        bool,
        typer.Option(
            "--int8",
            help="Also in 8 bits, for x86 with VNNI: calibrated and measured on the validation"
            " split, refused where a figure drops by more than 0.3 points.",
        ),
    ] = False,
    force_int8: Annotated[
        bool, typer.Option("--force-int8", help="Ship 8 bits whatever they cost.")
    ] = False,
    templates: Templates = None,
    out: Annotated[Path, typer.Option(help="Where the edge looks for its models.")] = Path(
        "edge/models"
    ),
    card: Annotated[Path, typer.Option(help="Where the model card is written.")] = Path(
        "docs/models.md"
    ),
    version: Annotated[str, typer.Option("--model-version", help="For people and reports.")] = "1",
) -> None:
    """Write the models as OpenVINO IR, compare them with the trained ones, install them at the
    edge, write the model card. A model without a run of its own stays the one that the edge has.
    """
    pictures = compared_on(prepared)
    runs = [
        None if run == usual and other.is_dir() and not run.is_dir() else run
        for run, usual, other in (
            (detector, DETECTOR_RUN, classifier),
            (classifier, CLASSIFIER_RUN, detector),
        )
    ]
    shipped = export_models(
        (runs[0], runs[1]),
        prepared,
        out,
        card=card,
        version=version,
        pictures=pictures,
        console=console,
    )
    if gender:
        export_gender_head(
            gender, prepared, out, card=card, version=version, pictures=pictures, console=console
        )
    if int8 or force_int8:
        if shipped is None:
            raise MissingModelError(
                "--int8 quantises a detector and a classifier of one's own together; train the"
                " other one, or name its run"
            )
        add_int8(
            shipped,
            prepared,
            templates or prepared_templates(prepared),
            out,
            report=detector / "precision.json",
            force=force_int8,
            console=console,
        )
        write_card(out / "manifest.json", card)
