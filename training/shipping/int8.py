"""`export --int8`: 8-bit copies of the exported models, compared with FP16."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from training.boxes.resizing import letterboxed
from training.errors import AccuracyError
from training.graphs.camera_graph import (
    classifier_graph,
    classifier_network,
    detector_graph,
    detector_network,
)
from training.graphs.inference import Graph
from training.graphs.installed import InstalledClassifier, InstalledDetector, ModelPair
from training.graphs.model_files import Exported, describe, install
from training.graphs.quantisation import MOST_DROP, Floats, planes, quantised
from training.measuring.evaluation_set import boxed_by_people, labelled
from training.measuring.speed import Latency
from training.measuring.validation_dataset import test_dataset
from training.networks.classifier import CropClassifier
from training.networks.detector import MULTIPLE, FaceDetector
from training.records.record import Record
from training.samples.dataset import load_dataset
from training.samples.mask_crops import HeldOutCrops, held_out_crops
from training.shipping.accuracy import Accuracy, MeasuredSplit, latencies, timing_name
from training.storage import write_json

CALIBRATED_ON = 200
"""Pictures, and crops, by which the ranges of activations are found; NNCF asks for 100 to 300."""

THREADS = (1, 2)
"""Numbers of threads with which the models are timed."""


@dataclass(frozen=True, slots=True)
class ExportedPair:
    """The two models that were exported.

    Attributes:
        detector: As trained.
        detector_row: As described in the manifest.
        classifier: As trained.
        classifier_row: As described in the manifest.
        margin: How much longer a crop's side is than the longer side of the face's box, as a share.
        temperature: Divides the classifier's logits before softmax.
    """

    detector: FaceDetector
    detector_row: Exported
    classifier: CropClassifier
    classifier_row: Exported
    margin: float
    temperature: float


@dataclass(frozen=True, slots=True)
class Int8Comparison:
    """FP16 and INT8 side by side, on the same pictures in the same process.

    Attributes:
        fp16: The figures in FP16.
        int8: The figures in INT8.
        ways: How each model was quantised, by role.
        latencies: From a frame to labels, by pair and number of threads.
    """

    fp16: Accuracy
    int8: Accuracy
    ways: dict[str, str]
    latencies: dict[str, Latency]

    def as_figures(self) -> dict[str, object]:
        """Return the figures for manifest, card and JSON."""
        return {
            **asdict(self.int8),
            "drop_from_fp16": self.fp16.drops(self.int8),
            "ways": self.ways,
            "milliseconds": {name: latency.as_json() for name, latency in self.latencies.items()},
        }


def seen_by_detector(split: MeasuredSplit, size: int) -> list[Floats]:
    """Letterbox pictures with and without faces, as in use.

    Args:
        split: The split on which the way is chosen.
        size: Longer side in pixels that the network sees.

    Returns:
        The network's inputs.
    """
    pictures = split.dataset.pictures
    rng = np.random.default_rng(0)
    boxed = [int(i) for i in rng.permutation(split.boxed)[: CALIBRATED_ON * 3 // 4]]
    others = [int(i) for i in rng.permutation(len(pictures))]
    chosen = [*boxed, *others[: CALIBRATED_ON - len(boxed)]]
    return [planes([letterboxed(pictures[i], size, MULTIPLE)[0]]) for i in chosen]


def seen_by_classifier(held: HeldOutCrops) -> list[Floats]:
    """Put crops together with their mirror images, as in use.

    Args:
        held: The face crops.

    Returns:
        The network's inputs.
    """
    chosen = np.random.default_rng(0).permutation(len(held.crops))[:CALIBRATED_ON]
    crops = [held.crops[int(i)] for i in chosen]
    return [planes([c, np.ascontiguousarray(c[:, ::-1])]) for c in crops]


def add_int8(
    shipped: ExportedPair,
    prepared: Path,
    templates: Path | None,
    folder: Path,
    *,
    report: Path,
    force: bool,
    console: Console,
) -> Int8Comparison:
    """Quantise both models, measure them beside FP16 and add them to the manifest of a folder.

    Args:
        shipped: The models that the folder has in FP16.
        prepared: The folder that `prepare` wrote.
        templates: The folder of mask pictures, for validation faces with drawn masks; may be None.
        folder: Of the FP16 models and their manifest.
        report: Where the comparison is written as JSON.
        force: Add the models even where a figure drops by more than 0.3 points.
        console: Shows the table.

    Returns:
        The comparison.

    Raises:
        AccuracyError: A figure drops by more, and `force` is not set; `folder` is not changed.
        ExportError: NNCF could not quantise.
    """
    found, judged = shipped.detector_row, shipped.classifier_row
    dataset = load_dataset(prepared, "validation", templates)
    split = MeasuredSplit(dataset, held_out_crops(dataset, judged.size, shipped.margin))
    # The way is chosen on validation, and the drop is measured on the test split if there is one.
    test = test_dataset(prepared, _with_labelled_boxes, templates)
    measured = split
    if test is not None:
        measured = MeasuredSplit(test, held_out_crops(test, judged.size, shipped.margin))
    fp16 = ModelPair(*_graphs(shipped), "FP16")
    chosen_by = split.accuracy(fp16)
    before = chosen_by if measured is split else measured.accuracy(fp16)

    def value_of_detector(network: Graph) -> float:
        eight, _ = _graphs(shipped, finder=network.clone())
        return split.face_ap(InstalledDetector(eight))

    def value_of_classifier(network: Graph) -> float:
        _, eight = _graphs(shipped, judge=network.clone())
        return split.macro_f1(InstalledClassifier(eight))

    finder = quantised(
        lambda: detector_network(shipped.detector),
        seen_by_detector(split, found.size),
        value_of_detector,
        chosen_by.face_ap_50 - MOST_DROP,
    )
    judge = quantised(
        lambda: classifier_network(shipped.classifier, judged.size),
        seen_by_classifier(split.held),
        value_of_classifier,
        chosen_by.macro_f1 - MOST_DROP,
    )
    graphs = _graphs(shipped, finder.network.clone(), judge.network.clone())
    int8 = ModelPair(*graphs, "INT8")
    comparison = Int8Comparison(
        before,
        measured.accuracy(int8),
        {"detector": str(finder.way), "classifier": str(judge.way)},
        latencies(split, (fp16, int8), THREADS),
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
    for row, graph in zip((found, judged), graphs, strict=True):
        install(graph, replace(row, figures=comparison.as_figures(), precision="INT8"), folder)
    return comparison


def _with_labelled_boxes(record: Record) -> bool:
    return boxed_by_people(record) and labelled(record)


def _graphs(
    shipped: ExportedPair, finder: Graph | None = None, judge: Graph | None = None
) -> tuple[Graph, Graph]:
    """Build both graphs, described, around the networks that are given."""
    found, judged = shipped.detector_row, shipped.classifier_row
    first = detector_graph(shipped.detector, found.size, finder)
    second = classifier_graph(shipped.classifier, judged.size, shipped.temperature, judge)
    describe(first, found, 0.0)
    describe(second, judged, shipped.margin)
    return first, second


def _show(comparison: Int8Comparison, console: Console) -> None:
    table = Table("", "FP16", "INT8", "drop, points")
    for name, drop in comparison.fp16.drops(comparison.int8).items():
        figures = (asdict(w)[name] for w in (comparison.fp16, comparison.int8))
        table.add_row(name.replace("_", " "), *(f"{f:.4f}" for f in figures), f"{drop * 100:+.2f}")
    for threads in THREADS:
        times = [comparison.latencies[timing_name(p, threads)] for p in ("FP16", "INT8")]
        ratio = times[1].least / times[0].least
        table.add_row(
            timing_name("640×480 to labels", threads) + ": median (least) ms",
            *(f"{t.median:.2f} ({t.least:.2f})" for t in times),
            f"{ratio:.2f} of the time",
        )
    console.print(table)
