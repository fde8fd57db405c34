"""`export`: a run's best model, with the thresholds that `evaluate` chose, goes to the edge.

The model is compared with the trained one before it replaces anything, and the card is written.
"""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from training.boxes.blending import BLEND
from training.errors import MissingDataError, MissingModelError, RiskError
from training.figures.tables import warning_block
from training.graphs.camera_graph import classifier_graph, detector_graph
from training.graphs.face_finder import SHIPPED
from training.graphs.model_files import (
    Exported,
    describe,
    files_of,
    install,
    milliseconds,
    replace_models,
    rows_of,
    sample_pictures,
    verify_classifier,
    verify_detector,
    write_rows,
)
from training.measuring.average_precision import COUNTED
from training.measuring.shipped_comparison import risks_of, untested_labels
from training.measuring.trained_models import (
    open_classifier,
    open_detector,
    open_gender,
    read_figures,
)
from training.networks.classifier import CropClassifier
from training.networks.detection import OVERLAP
from training.networks.detector import RUNNING_SIZE, FaceDetector
from training.records.pictures import Pixels
from training.records.public_sets import LICENCES
from training.records.record import LABELS
from training.samples.gender_crops import GENDER_SET, GENDERS
from training.shipping.card import SPLITS, write_card
from training.shipping.int8 import ExportedPair

SMALLEST_JUDGED = 24
"""Shorter side in pixels under which the edge does not judge a face."""

TEACHER = "labels by YuNet (ShiqiYu/libfacedetection.train): Apache-2.0"
"""What `trained_on` says of the teacher's labels."""


def trained_on(prepared: Path, sets: Iterable[str] | None = None) -> list[dict[str, object]]:
    """List the sets in the training split, with their licences and numbers of pictures.

    Args:
        prepared: The folder that `prepare` wrote.
        sets: The names of the sets that are listed; None lists all.

    Returns:
        A row for each set with its pictures by split, for the mask pictures and for the teacher.

    Raises:
        MissingDataError: `prepare` has not run.
    """
    path = prepared / "summary.json"
    if not path.is_file():
        raise MissingDataError(f"{path} is not there; run `python -m training prepare` first")
    summary = json.loads(path.read_text(encoding="utf-8"))
    everything = summary["pictures"].values()
    splits = {k: s for k, s in SPLITS.items() if k == "images" or any(s in c for c in everything)}
    rows: list[dict[str, object]] = [
        {"set": name, "licence": summary["licences"][name]}
        | {key: counts.get(split, 0) for key, split in splits.items()}
        for name, counts in summary["pictures"].items()
        if sets is None or name in sets
    ]
    if summary.get("templates"):
        rows.append(
            {
                "set": "mask_templates",
                "licence": LICENCES["mask_templates"],
                "images": summary["templates"],
            }
        )
    if summary.get("teacher"):
        rows.append({"set": "teacher", "licence": TEACHER, "images": 0})
    return rows


def keep_installed(role: str, installed: Path, folder: Path) -> None:
    """Copy the model of a role from those that come with the edge, with its row of the manifest.

    Args:
        role: `detector` or `classifier`.
        installed: Folder of the models.
        folder: Where the model is copied to; it is made when missing.

    Raises:
        MissingModelError: There is no model of this role.
    """
    manifest = installed / "manifest.json"
    kept = [row for row in rows_of(installed) if row["role"] == role]
    if not kept:
        raise MissingModelError(
            f"{manifest} names no {role} to keep; train one, or name its run with --{role}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name in (name for row in kept for name in files_of(row)):
        shutil.copyfile(installed / name, folder / name)
    write_rows([*[row for row in rows_of(folder) if row["role"] != role], *kept], folder)


def export_models(
    runs: tuple[Path | None, Path | None],
    prepared: Path,
    folder: Path,
    *,
    card: Path,
    version: str,
    pictures: list[Pixels],
    console: Console,
    accept_risk: bool = False,
) -> ExportedPair | None:
    """Export the best detector and classifier into a folder, and write the card.

    Args:
        runs: The detector's run and the classifier's. None keeps the model that comes with the
            edge.
        prepared: The folder that `prepare` wrote.
        folder: Where the models are installed.
        card: The model card.
        version: Of the models, for people.
        pictures: BGR u8 with faces, on which torch and IR are compared, beside made-up pictures.
        console: Shows the comparison.
        accept_risk: Install the classifier whatever speaks against it; the manifest and the card
            say what was accepted.

    Returns:
        Both models, if both are of one's own.

    Raises:
        CheckpointError: A run has no such model, or was not evaluated.
        ExportError: The exported model gives other answers than the trained one.
        RiskError: Something speaks against the classifier, and `accept_risk` is not set; nothing
            was installed.
        MissingDataError: `prepare` has not run.
        MissingModelError: There is no model to keep.
    """
    detector, classifier = runs
    own_detector: tuple[FaceDetector, Exported] | None = None
    own_classifier: tuple[CropClassifier, Exported, float, float] | None = None
    trial = folder / "trial"
    origin = trained_on(prepared)
    samples = [*sample_pictures(), *pictures]
    risks = _risks(classifier, console, accept_risk=accept_risk) if classifier is not None else []
    if detector is not None:
        own_detector = _export_detector(
            detector, origin, trial, version=version, samples=samples, console=console
        )
    if classifier is not None:
        pipeline = detector / "pipeline.json" if detector is not None else None
        extra = (
            {"pipeline": json.loads(pipeline.read_text(encoding="utf-8"))}
            if pipeline is not None and pipeline.is_file()
            else {}
        )
        own_classifier = _export_classifier(
            classifier,
            origin,
            trial,
            version=version,
            extra=extra,
            risks=risks,
            samples=samples,
            console=console,
        )
    for role, run in (("detector", detector), ("classifier", classifier)):
        if run is None:
            keep_installed(role, SHIPPED.parent, trial)
            console.print(f"{role}: you have no run; the model that comes with the edge is kept")

    # Only models that passed the comparison replace those of the edge.
    replace_models(trial, folder)
    outdated = write_card(folder / "manifest.json", card)
    size = sum(p.stat().st_size for p in folder.iterdir() if p.suffix in (".xml", ".bin"))
    console.print(f"{folder}: {size / 2**20:.2f} MiB; {card} written")
    if outdated:
        console.print(
            f"{card}: its measured part was about other models and is gone; write a new one with "
            f"`python -m training report RUN … --card {card}`"
        )
    if own_detector is None or own_classifier is None:
        return None
    judge, judged, margin, temperature = own_classifier
    return ExportedPair(*own_detector, judge, judged, margin, temperature)


def _risks(run: Path, console: Console, *, accept_risk: bool) -> list[str]:
    """Return what speaks against a classifier and was accepted.

    Raises:
        RiskError: Something speaks against it, and nobody has accepted that.
    """
    risks = risks_of(dict(read_figures(run)))
    if risks and not accept_risk:
        raise RiskError(
            f"{run} was not installed. "
            + " ".join(risks)
            + " Add pictures of what is missing, train longer and run `python -m training evaluate"
            " classifier --run` again; or keep the shipped model; or, if you know what this means "
            "for your door, repeat `export` with --accept-risk"
        )
    if risks:
        console.print(warning_block("risks that you accepted", risks))
    return risks


def _export_detector(
    run: Path,
    origin: list[dict[str, object]],
    trial: Path,
    *,
    version: str,
    samples: list[Pixels],
    console: Console,
) -> tuple[FaceDetector, Exported]:
    finder, found = open_detector(run), read_figures(run)
    figures: dict[str, object] = dict(found)
    row = Exported(
        "face-detector",
        "detector",
        version,
        RUNNING_SIZE,
        ("face",),
        {
            "confidence": found["threshold"],
            "certain": found.get("certain", found["threshold"]),
            "iou": OVERLAP,
            "blend_iou": BLEND.iou,
            "blend_score": BLEND.score,
        },
        origin,
        figures,
    )
    graph = detector_graph(finder.model, RUNNING_SIZE)
    describe(graph, row, 0.0)
    install(graph, row, trial)
    worst = max(verify_detector(finder.model, RUNNING_SIZE, trial, row.name, p) for p in samples)
    pace = milliseconds(trial, row.name, (1, 480, 640, 3))
    console.print(
        f"face-detector: IR and torch differ by {worst:.4f} at most; {pace:.1f} ms for a frame "
        f"of 640x480 on this machine's CPU"
    )
    return finder.model, row


def _export_classifier(
    run: Path,
    origin: list[dict[str, object]],
    trial: Path,
    *,
    version: str,
    extra: dict[str, object],
    risks: list[str],
    samples: list[Pixels],
    console: Console,
) -> tuple[CropClassifier, Exported, float, float]:
    judge, judged = open_classifier(run), read_figures(run)
    side, temperature = judge.configuration.size, float(judged["temperature"])
    counts: object = judged.get("faces_by_label")
    other = Exported(
        "mask-classifier",
        "classifier",
        version,
        side,
        LABELS,
        {"confidence": judged["threshold"], "min_face_size": float(SMALLEST_JUDGED)},
        origin,
        dict(judged) | extra,
        untested_labels=untested_labels(counts) if isinstance(counts, dict) else (),
        accepted_risks=tuple(risks),
    )
    second = classifier_graph(judge.model, side, temperature)
    describe(second, other, judge.configuration.margin)
    install(second, other, trial)
    worst = verify_classifier(judge.model, side, temperature, trial / f"{other.name}.xml", samples)
    pace = milliseconds(trial, other.name, (1, 128, 128, 3))
    console.print(
        f"mask-classifier: IR and torch differ by {worst:.4f} at most; {pace:.1f} ms for a "
        f"crop on this machine's CPU"
    )
    return judge.model, other, judge.configuration.margin, temperature


def export_gender_head(
    run: Path,
    prepared: Path,
    folder: Path,
    *,
    card: Path,
    version: str,
    pictures: list[Pixels],
    console: Console,
) -> None:
    """Export the best gender head beside the models in a folder, and write the card.

    Args:
        run: The gender head's run.
        prepared: The folder that `prepare` wrote.
        folder: Where the models are installed.
        card: The model card.
        version: Of the model, for people.
        pictures: BGR u8 with faces, on which torch and IR are compared, beside made-up pictures.
        console: Shows the comparison.

    Raises:
        CheckpointError: The run has no gender head, or was not evaluated.
        ExportError: The exported model gives other answers than the trained one.
        MissingDataError: `prepare` has not run.
    """
    head, judged = open_gender(run), read_figures(run)
    side, temperature = head.configuration.size, float(judged["temperature"])
    row = Exported(
        "gender-head",
        "gender",
        version,
        side,
        GENDERS,
        {"confidence": 0.5, "min_face_size": COUNTED},
        trained_on(prepared, GENDER_SET),
        dict(judged),
    )
    graph = classifier_graph(head.model, side, temperature)
    describe(graph, row, head.configuration.margin)
    trial = folder / "trial"
    install(graph, row, trial)
    worst = verify_classifier(
        head.model, side, temperature, trial / f"{row.stem}.xml", [*sample_pictures(), *pictures]
    )
    replace_models(trial, folder)
    write_card(folder / "manifest.json", card)
    console.print(f"gender-head: IR and torch differ by {worst:.4f} at most; {card} written")
