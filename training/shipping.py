"""From a run to the edge: export the best checkpoint with what `evaluate` chose, compare, install,
describe.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from training.card import write_card
from training.errors import MissingDataError
from training.evaluate import OVERLAP, chosen, open_classifier, open_detector
from training.export import (
    Exported,
    classifier_graph,
    describe,
    detector_graph,
    install,
    milliseconds,
    sample_pictures,
    verify_classifier,
    verify_detector,
)
from training.layouts import Pixels
from training.records import LABELS
from training.sets import LICENCES
from training.tasks import RUNNING_SIZE

SMALLEST_JUDGED = 24
"""Shorter side in pixels under which the edge does not judge a face."""

TEACHER = "labels by YuNet (ShiqiYu/libfacedetection.train): Apache-2.0"


def trained_on(prepared: Path, sets: Iterable[str] | None = None) -> list[dict[str, object]]:
    """Each set in the training split with its licence and its number of pictures. Raises
    MissingDataError.
    """
    path = prepared / "summary.json"
    if not path.is_file():
        raise MissingDataError(f"{path} is not there; run `python -m training prepare` first")
    summary = json.loads(path.read_text(encoding="utf-8"))
    rows: list[dict[str, object]] = [
        {"set": name, "licence": summary["licences"][name], "images": counts.get("train", 0)}
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


def ship(
    runs: tuple[Path, Path],
    prepared: Path,
    folder: Path,
    *,
    card: Path,
    version: str,
    pictures: list[Pixels],
    console: Console,
) -> None:
    """Export the best models of `runs`, a detector's and a classifier's, into `folder` and write
    the card. Raises CheckpointError, ExportError, MissingDataError.

    `pictures` are compared between torch and IR besides made-up ones: faces make the comparison
    mean something.
    """
    detector, classifier = runs
    finder, judge = open_detector(detector), open_classifier(classifier)
    origin = trained_on(prepared)
    found, judged = chosen(detector), chosen(classifier)
    pipeline = detector / "pipeline.json"
    figures: dict[str, object] = dict(found)
    row = Exported(
        "face-detector",
        "detector",
        version,
        RUNNING_SIZE,
        ("face",),
        {"confidence": found["threshold"], "iou": OVERLAP},
        origin,
        figures,
    )
    graph = detector_graph(finder.model, RUNNING_SIZE)
    describe(graph, row, 0.0)
    trial = folder / "trial"
    install(graph, row, trial)
    worst = max(
        verify_detector(finder.model, RUNNING_SIZE, trial, row.name, p)
        for p in [*sample_pictures(), *pictures]
    )
    pace = milliseconds(trial, row.name, (1, 480, 640, 3))
    console.print(
        f"face-detector: IR and torch differ by {worst:.4f} at most; {pace:.1f} ms for a frame "
        f"of 640x480 on this machine's CPU"
    )

    side, temperature = judge.configuration.size, float(judged["temperature"])
    extra: dict[str, object] = (
        {"pipeline": json.loads(pipeline.read_text(encoding="utf-8"))} if pipeline.is_file() else {}
    )
    other = Exported(
        "mask-classifier",
        "classifier",
        version,
        side,
        LABELS,
        {"confidence": judged["threshold"], "min_face_size": float(SMALLEST_JUDGED)},
        origin,
        dict(judged) | extra,
    )
    second = classifier_graph(judge.model, side, temperature)
    describe(second, other, judge.configuration.margin)
    install(second, other, trial)
    worst = verify_classifier(
        judge.model, side, temperature, trial / f"{other.name}.xml", [*sample_pictures(), *pictures]
    )
    pace = milliseconds(trial, other.name, (1, 128, 128, 3))
    console.print(
        f"mask-classifier: IR and torch differ by {worst:.4f} at most; {pace:.1f} ms for a "
        f"crop on this machine's CPU"
    )

    # Only what has passed replaces what the edge has.
    for path in trial.iterdir():
        if path.name != "manifest.json":
            path.replace(folder / path.name)
    (trial / "manifest.json").replace(folder / "manifest.json")
    trial.rmdir()
    write_card(folder / "manifest.json", card)
    size = sum(p.stat().st_size for p in folder.iterdir() if p.suffix in (".xml", ".bin"))
    console.print(f"{folder}: {size / 2**20:.2f} MiB; {card} written")
