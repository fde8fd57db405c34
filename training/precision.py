"""`export --int8`: the shipped models once more in 8 bits, beside FP16, with what that costs in
accuracy and saves in time.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import openvino
from rich.console import Console
from rich.table import Table

from training.checkpoint import write_json
from training.classifier import CropClassifier
from training.crops import Held, held_crops
from training.datasets import Album, open_album
from training.deployed import (
    Deployed,
    Pace,
    classifier_figure,
    detector_figure,
    paces,
    pipeline_figure,
)
from training.detector import MULTIPLE, FaceDetector
from training.errors import AccuracyError
from training.evaluate import boxed_pictures
from training.export import Exported, describe, install
from training.graphs import (
    classifier_graph,
    classifier_network,
    detector_graph,
    detector_network,
)
from training.layouts import Pixels
from training.quantise import MOST_DROP, Floats, planes, quantised
from training.resizing import letterboxed

CALIBRATED_ON = 200
"""Pictures, and crops, by which the ranges of activations are found; NNCF asks for 100 to 300."""

THREADS = (1, 2)


@dataclass(frozen=True, slots=True)
class Shipped:
    """The two models that were exported, as trained and as described."""

    detector: FaceDetector
    detector_row: Exported
    classifier: CropClassifier
    classifier_row: Exported
    margin: float
    temperature: float


@dataclass(frozen=True, slots=True)
class Worth:
    """Figures of a pair of models, 0…1."""

    face_ap_50: float
    macro_f1: float
    right_verdict: float

    def drops(self, other: "Worth") -> dict[str, float]:
        """By how much the other is worse, each figure; negative where it is better."""
        mine, theirs = asdict(self), asdict(other)
        return {name: round(mine[name] - theirs[name], 4) for name in mine}


@dataclass(frozen=True, slots=True)
class Comparison:
    """FP16 and INT8 side by side, on the same pictures in the same process."""

    fp16: Worth
    int8: Worth
    ways: dict[str, str]
    paces: dict[str, Pace]

    def as_figures(self) -> dict[str, object]:
        """For manifest, card and JSON."""
        return {
            **asdict(self.int8),
            "drop_from_fp16": self.fp16.drops(self.int8),
            "ways": self.ways,
            "milliseconds": {name: asdict(pace) for name, pace in self.paces.items()},
        }


class Bench:
    """What both precisions are measured on.

    Args:
        album: The validation split.
        held: Its face crops.
    """

    def __init__(self, album: Album, held: Held) -> None:
        self.album, self.held = album, held
        self.boxed = boxed_pictures(album)

    def worth(self, models: Deployed) -> Worth:
        """All three figures of a pair of models."""
        return Worth(
            round(detector_figure(models, self.album, self.boxed), 4),
            round(classifier_figure(models, self.held), 4),
            round(pipeline_figure(models, self.album, self.boxed), 4),
        )

    def seen_by_detector(self, size: int) -> list[Floats]:
        """Pictures with and without faces, letterboxed as in use."""
        rng = np.random.default_rng(0)
        boxed = [int(i) for i in rng.permutation(self.boxed)[: CALIBRATED_ON * 3 // 4]]
        others = [int(i) for i in rng.permutation(len(self.album.pictures))]
        chosen = [*boxed, *others[: CALIBRATED_ON - len(boxed)]]
        return [planes([letterboxed(self.album.pictures[i], size, MULTIPLE)[0]]) for i in chosen]

    def seen_by_classifier(self) -> list[Floats]:
        """Crops, each with its mirror image, as in use."""
        chosen = np.random.default_rng(0).permutation(len(self.held.crops))[:CALIBRATED_ON]
        crops = [self.held.crops[int(i)] for i in chosen]
        return [planes([c, np.ascontiguousarray(c[:, ::-1])]) for c in crops]


def add_int8(
    shipped: Shipped,
    prepared: Path,
    templates: Path | None,
    folder: Path,
    *,
    report: Path,
    force: bool,
    console: Console,
) -> Comparison:
    """Quantise both models, measure them beside FP16 and add them to `folder`'s manifest.

    Args:
        shipped: What lies in `folder` in FP16.
        prepared: Where the validation split is read from.
        templates: Mask pictures, for the drawn validation faces; may be None.
        folder: Of the FP16 models and their manifest.
        report: Where the comparison is written as JSON.
        force: Add them even where a figure drops by more than 0.3 points.
        console: Shows the table.

    Raises:
        AccuracyError: A figure drops by more, and `force` is not set; `folder` is as before.
        ExportError: NNCF could not quantise.
    """
    found, judged = shipped.detector_row, shipped.classifier_row
    album = open_album(prepared, "validation", templates)
    bench = Bench(album, held_crops(album, judged.size, shipped.margin))
    fp16 = _pair(shipped, None, None)
    before = bench.worth(Deployed(*fp16))

    def value_of_detector(network: openvino.Model) -> float:
        eight = _pair(shipped, network.clone(), None)
        return detector_figure(Deployed(*eight), album, bench.boxed)

    def value_of_classifier(network: openvino.Model) -> float:
        eight = _pair(shipped, None, network.clone())
        return classifier_figure(Deployed(*eight), bench.held)

    finder = quantised(
        lambda: detector_network(shipped.detector),
        bench.seen_by_detector(found.size),
        value_of_detector,
        before.face_ap_50 - MOST_DROP,
    )
    judge = quantised(
        lambda: classifier_network(shipped.classifier, judged.size),
        bench.seen_by_classifier(),
        value_of_classifier,
        before.macro_f1 - MOST_DROP,
    )
    int8 = _pair(shipped, finder.network.clone(), judge.network.clone())
    comparison = Comparison(
        before,
        bench.worth(Deployed(*int8)),
        {"detector": str(finder.way), "classifier": str(judge.way)},
        _paces({"FP16": fp16, "INT8": int8}, _frame(bench)),
    )
    write_json(
        {"fp16": asdict(before), "int8": comparison.as_figures(), "most_drop": MOST_DROP}, report
    )
    _show(comparison, console)
    lost = {k: v for k, v in before.drops(comparison.int8).items() if v > MOST_DROP}
    if lost and not force:
        said = ", ".join(f"{name} by {drop * 100:.2f} points" for name, drop in lost.items())
        raise AccuracyError(
            f"INT8 costs {said}, more than {MOST_DROP * 100:.1f}; FP16 alone was installed. Train"
            " longer, or ship it all the same with --force-int8"
        )
    for row, graph in zip((found, judged), int8, strict=True):
        install(graph, replace(row, figures=comparison.as_figures(), precision="INT8"), folder)
    return comparison


def _pair(
    shipped: Shipped, finder: openvino.Model | None, judge: openvino.Model | None
) -> tuple[openvino.Model, openvino.Model]:
    """Both graphs, described, around the networks that are given."""
    found, judged = shipped.detector_row, shipped.classifier_row
    first = detector_graph(shipped.detector, found.size, finder)
    second = classifier_graph(shipped.classifier, judged.size, shipped.temperature, judge)
    describe(first, found, 0.0)
    describe(second, judged, shipped.margin)
    return first, second


def _frame(bench: Bench) -> Pixels:
    """A camera's frame with a face in it."""
    picture = bench.album.pictures[bench.boxed[0]]
    return np.asarray(cv2.resize(picture, (640, 480), interpolation=cv2.INTER_AREA), np.uint8)


def _paces(
    pairs: dict[str, tuple[openvino.Model, openvino.Model]], frame: Pixels
) -> dict[str, Pace]:
    """From a frame of 640×480 to its labels with one face, by precision and threads."""
    calls: dict[str, Callable[[], object]] = {}
    for threads in THREADS:
        for name, pair in pairs.items():
            models = Deployed(*pair, threads)
            calls[f"{name}, {threads} thread{'s' if threads > 1 else ''}"] = _seeing(models, frame)
    return paces(calls)


def _seeing(models: Deployed, frame: Pixels) -> Callable[[], object]:
    return lambda: models.see(frame)


def _show(comparison: Comparison, console: Console) -> None:
    table = Table("", "FP16", "INT8", "drop, points")
    for name, drop in comparison.fp16.drops(comparison.int8).items():
        figures = (asdict(w)[name] for w in (comparison.fp16, comparison.int8))
        table.add_row(name.replace("_", " "), *(f"{f:.4f}" for f in figures), f"{drop * 100:+.2f}")
    for threads in THREADS:
        said = f"{threads} thread{'s' if threads > 1 else ''}"
        times = [comparison.paces[f"{p}, {said}"] for p in ("FP16", "INT8")]
        ratio = times[1].least_ms / times[0].least_ms
        table.add_row(
            f"640×480 to labels, {said}: median (least) ms",
            *(f"{t.median_ms:.2f} ({t.least_ms:.2f})" for t in times),
            f"{ratio:.2f} of the time",
        )
    console.print(table)
