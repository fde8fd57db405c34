"""`python -m training export`: to the edge, in 16 and in 8 bits and as ONNX; the gender head."""

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
from training.shipping.int8 import ExportedPair, add_int8
from training.shipping.onnx_models import add_onnx

console = Console()

DETECTOR_RUN = Path("var/training/detector")
CLASSIFIER_RUN = Path("var/training/classifier")


def compared_on(prepared: Path) -> list[Pixels]:
    """Return a few validation pictures with faces, to compare exported and trained models on."""
    pictures: list[Pixels] = []
    for record in read_records(prepared / "records.jsonl"):
        if record.split == "validation" and record.faces:
            picture = read_picture(Path(record.path))
            pictures += [picture] if picture is not None else []
        if len(pictures) == 6:
            break
    return pictures


def _both(shipped: ExportedPair | None) -> ExportedPair:
    """Return both exported models, or raise MissingModelError if one has no run of its own."""
    if shipped is None:
        raise MissingModelError(
            "--int8 needs a detector and a classifier that were trained here; train the other "
            "one, or name its run"
        )
    return shipped


def export(
    *,
    prepared: Prepared = Path("var/training/prepared"),
    detector: DetectorRun = DETECTOR_RUN,
    classifier: ClassifierRun = CLASSIFIER_RUN,
    gender: Annotated[
        Path | None,
        typer.Option(
            help="Folder of a gender head's run, to ship it too. Default: no gender head."
        ),
    ] = None,
    int8: Annotated[
        bool,
        typer.Option(
            "--int8",
            help="Also write the models in 8 bits, for x86 with AVX2. They are calibrated and "
            "measured on the validation split, and refused if a figure drops by more than 0.3 "
            "points.",
        ),
    ] = False,
    force_int8: Annotated[
        bool,
        typer.Option("--force-int8", help="Ship the 8-bit models even if a figure drops by more."),
    ] = False,
    onnx: Annotated[
        bool,
        typer.Option(
            "--onnx",
            help="Also write NAME.onnx beside each model, with the same inputs, outputs and "
            "weights, for runtimes other than OpenVINO.",
        ),
    ] = False,
    accept_risk: Annotated[
        bool,
        typer.Option(
            "--accept-risk",
            help="Install a classifier although it lacks training or validation pictures of a "
            "label, or clearly admits more wrong people than the shipped one. The manifest and "
            "the card say what you accepted.",
        ),
    ] = False,
    templates: Templates = None,
    out: Annotated[Path, typer.Option(help="Folder of the edge's models.")] = Path("edge/models"),
    card: Annotated[Path, typer.Option(help="File of the model card.")] = Path("docs/models.md"),
    version: Annotated[
        str, typer.Option("--model-version", help="Version of the models, for people and reports.")
    ] = "1",
) -> None:
    """Write trained models as OpenVINO IR, and install them at the edge.

    Each model is compared with the trained one before it replaces anything, and the model card is
    written. A model that has no run of its own stays the one that the edge has. A classifier that
    may let the wrong people in is refused, unless you accept that with --accept-risk.
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
        accept_risk=accept_risk,
    )
    if gender:
        export_gender_head(
            gender, prepared, out, card=card, version=version, pictures=pictures, console=console
        )
    if int8 or force_int8:
        shipped = _both(shipped)
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
    if onnx:
        add_onnx(
            out, {"detector": runs[0], "classifier": runs[1], "gender": gender}, pictures, console
        )
