"""Exported models run as the edge runs them: to measure what their precision costs, and what it
saves.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openvino
from numpy.typing import NDArray

from training.blending import blend_of, overlaps
from training.crops import Held, cut
from training.datasets import Album
from training.layouts import Pixels
from training.measures import COUNTED, Detections, face_ap, suppress
from training.records import LABELS
from training.resizing import letterboxed, resized
from training.tasks import macro_f1
from training.verdicts import verdicts

Floats = NDArray[np.float32]

_LEAST = 0.02
"""Score from which a detection counts towards the average precision."""


class Deployed:
    """A detector and a classifier as OpenVINO runs them.

    Args:
        detector: Its `.xml`, or the graph itself.
        classifier: Its `.xml`, or the graph itself.
        threads: For inference; None leaves it to OpenVINO.
    """

    def __init__(
        self,
        detector: Path | openvino.Model,
        classifier: Path | openvino.Model,
        threads: int | None = None,
    ) -> None:
        core = openvino.Core()
        config: dict[str, object] = {"PERFORMANCE_HINT": "LATENCY"}
        if threads:
            config["INFERENCE_NUM_THREADS"] = threads
        self._core, self._config = core, config
        self._graph = core.read_model(detector) if isinstance(detector, Path) else detector
        self._said = {k: _info(self._graph, k) for k in ("input_size", "size_multiple")}
        self._least = float(_info(self._graph, "confidence_threshold"))
        self._overlap = float(_info(self._graph, "iou_threshold"))
        said = self._graph.get_rt_info(["model_info"]).value
        self._blend = blend_of({key: str(said[key]) for key in said})
        self._finders: dict[tuple[int, ...], openvino.CompiledModel] = {}
        # Fixing the shape changes a graph, and the caller's is not ours.
        judge = core.read_model(classifier) if isinstance(classifier, Path) else classifier.clone()
        self._side = int(_info(judge, "input_size").split()[0])
        self._certain = float(_info(judge, "confidence_threshold"))
        self._margin = float(_info(judge, "crop_margin"))
        judge.reshape([1, self._side, self._side, 3])
        self._judge = core.compile_model(judge, "CPU", config)

    def _finder(self, shape: tuple[int, ...]) -> openvino.CompiledModel:
        if shape not in self._finders:
            graph = self._graph.clone()
            graph.reshape([1, *shape])
            self._finders[shape] = self._core.compile_model(graph, "CPU", self._config)
        return self._finders[shape]

    def detect(self, picture: Pixels, least: float | None = None) -> Detections:
        """Faces of one picture; by default those over the model's own threshold."""
        least = self._least if least is None else least
        size, multiple = int(self._said["input_size"].split()[0]), int(self._said["size_multiple"])
        shown, (across, down) = letterboxed(picture, size, multiple)
        found = self._finder(shown.shape)([shown[None]])
        boxes, scores = found["boxes"][0], found["scores"][0]
        pixels = boxes * np.array([across, down, across, down], np.float32)
        return suppress(pixels, scores, least, self._overlap, self._blend)

    def probabilities(self, crops: Sequence[Pixels]) -> Floats:
        """Of each crop, whatever its size: f32 [N, labels]."""
        side = self._side
        rows = [
            self._judge([resized(c, side, side)[None]])["probabilities"][0].copy() for c in crops
        ]
        return np.stack(rows) if rows else np.zeros((0, len(LABELS)), np.float32)

    def judge(self, picture: Pixels, box: Sequence[float]) -> int:
        """The label of one face, as an index of LABELS."""
        rows = self.probabilities([cut(picture, box, self._margin)])
        return int(verdicts(rows, self._certain)[0])

    def guesses(self, crops: Sequence[Pixels]) -> NDArray[np.int64]:
        """The labels of crops, as indices of LABELS."""
        return verdicts(self.probabilities(crops), self._certain)

    def see(self, picture: Pixels) -> int:
        """A frame to its labels, the surest face alone: what a camera with one person costs."""
        found = self.detect(picture)
        height, width = picture.shape[:2]
        middle = (width * 0.35, height * 0.3, width * 0.65, height * 0.7)
        return self.judge(picture, found.boxes[0].tolist() if len(found.scores) else middle)


def _info(graph: openvino.Model, key: str) -> str:
    return str(graph.get_rt_info(["model_info", key]).value)


def detector_figure(models: Deployed, album: Album, indices: list[int]) -> float:
    """Face AP at IoU 0.5."""
    found = [models.detect(album.pictures[i], _LEAST) for i in indices]
    return face_ap(album, indices, found)


def classifier_figure(models: Deployed, held: Held) -> float:
    """Macro F1 of the real crops, those with drawn masks aside."""
    real = np.array([name != "drawn" for name in held.sets])
    return macro_f1(held.labels[real], models.guesses(list(held.crops[real])))


def pipeline_figure(models: Deployed, album: Album, indices: list[int]) -> float:
    """Share of labelled faces with the right verdict: masked ones with_mask, others anything but;
    one that is not found counts as wrong.
    """
    right = faces = 0
    for index in indices:
        found = models.detect(album.pictures[index])
        for face in album.records[index].faces:
            x0, y0, x1, y1 = face.box
            if face.ignore or face.label is None or min(x1 - x0, y1 - y0) < COUNTED:
                continue
            faces += 1
            shared = overlaps(np.array([face.box], np.float32), found.boxes)[0]
            if not len(shared) or shared.max() < 0.5:
                continue
            said = models.judge(album.pictures[index], found.boxes[int(shared.argmax())].tolist())
            right += (said == 0) == (face.label == LABELS[0])
    return right / max(1, faces)


@dataclass(frozen=True, slots=True)
class Pace:
    """Milliseconds of one call: the median, and the least, which other load disturbs least."""

    median_ms: float
    least_ms: float


def paces(calls: dict[str, Callable[[], object]], rounds: int = 60) -> dict[str, Pace]:
    """How long each call takes. They take turns, so that what else runs here meets all of them."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 5):
        for name, call in calls.items():
            begun = time.perf_counter()
            call()
            if number >= 5:
                times[name].append((time.perf_counter() - begun) * 1000)
    return {
        name: Pace(round(float(np.median(t)), 2), round(min(t), 2)) for name, t in times.items()
    }
