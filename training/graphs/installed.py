"""Our models, run as the edge runs them: those that a manifest names, and graphs in memory.

The crop's square, the thresholds and the smallest face come from the model files, as
docs/decisions/0001-model-contract.md lays down.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training.boxes.blending import blend_of
from training.boxes.cropping import cut
from training.boxes.detections import Boxes, suppress
from training.boxes.resizing import letterboxed, resized
from training.errors import MissingModelError, UnfitModelError
from training.graphs.inference import Graph, Network
from training.graphs.system import UNJUDGED, Floats, Integers, Prediction, System, extent
from training.records.pictures import Pixels
from training.records.record import LABELS

MODELS = Path("edge/models")
"""Where the edge looks for its models."""
_MEND = "export the model with `python -m training export`"


@dataclass(frozen=True, slots=True)
class ModelPair:
    """A detector and a classifier that belong together.

    Attributes:
        detector: Its file, or a graph.
        classifier: Its file, or a graph.
        name: Of both together, for people.
    """

    detector: Path | Graph
    classifier: Path | Graph
    name: str


def _entries(folder: Path) -> list[dict[str, Any]]:
    manifest = folder / "manifest.json"
    try:
        return list(json.loads(manifest.read_text(encoding="utf-8"))["models"])
    except OSError as error:
        raise MissingModelError(
            f"{manifest} cannot be read ({error.strerror}); name the folder of the installed "
            f"models with --models, or {_MEND}"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise UnfitModelError(f"{manifest} is no manifest ({error}); {_MEND}") from error


def pairs_in(folder: Path) -> list[ModelPair]:
    """List a detector and a classifier for each precision in which the manifest has both.

    Args:
        folder: The models' folder.

    Returns:
        The pairs, in the order of the manifest.

    Raises:
        MissingModelError: There is no manifest, or it has no detector and classifier of one
            precision.
        UnfitModelError: The manifest cannot be parsed.
    """
    by_role: dict[str, dict[str, Path]] = {"detector": {}, "classifier": {}}
    for entry in _entries(folder):
        file = next((f for f in entry["files"] if f.endswith((".xml", ".onnx"))), None)
        if entry["role"] in by_role and file is not None:
            by_role[entry["role"]].setdefault(entry.get("precision", ""), folder / file)
    shared = [p for p in by_role["detector"] if p in by_role["classifier"]]
    if not shared:
        raise MissingModelError(
            f"{folder / 'manifest.json'} does not name a detector and a classifier of one "
            f"precision; {_MEND}"
        )
    return [
        ModelPair(by_role["detector"][p], by_role["classifier"][p], f"ours {p}".strip())
        for p in shared
    ]


class InstalledDetector:
    """A face detector as the edge runs it.

    Args:
        source: Its file, or a graph.
        threads: For inference; None leaves the number to OpenVINO.

    Attributes:
        precision: In which the processor computes, such as `f32`.

    Raises:
        ModelError: The model is not there, cannot be run, or is no face detector.
    """

    def __init__(self, source: Path | Graph, threads: int | None = None) -> None:
        self._network = Network(source, threads=threads)
        self.precision = self._network.precision
        info = _said(self._network, "face_detector", ("confidence_threshold", "iou_threshold"))
        self.threshold = float(info["confidence_threshold"])
        self.size = info.get("input_size", "").replace(" ", "x")
        self._overlap = float(info["iou_threshold"])
        self._blend = blend_of(info)
        # As at the edge: a picture of the right size is not resized in the graph.
        fits = info.get("resize") == "fit" and "size_multiple" in info
        self._fit = (
            (int(info["input_size"].split()[0]), int(info["size_multiple"])) if fits else None
        )

    def expect(self, height: int, width: int) -> None:
        """Compile for pictures of this size, in pixels."""
        shape = (height, width, 3)
        if self._fit:
            shape = letterboxed(np.zeros(shape, np.uint8), *self._fit)[0].shape
        self._network.expect((1, *shape))

    def find(self, picture: Pixels, least: float) -> Prediction:
        """Find faces.

        Args:
            picture: BGR u8 [H, W, 3].
            least: Score under which faces are left out.

        Returns:
            The faces, without labels.
        """
        shown, (across, down) = letterboxed(picture, *self._fit) if self._fit else (picture, (1, 1))
        found = self._network.infer(np.ascontiguousarray(shown)[None])
        scores = found["scores"][0]
        # The graph cuts boxes off at the border of the letterboxed picture; the edge, at its own.
        limits = extent(picture)
        boxes = np.clip(found["boxes"][0] * np.array([across, down] * 2, np.float32), 0, limits)
        real = (boxes[:, 2:] > boxes[:, :2]).all(1) & np.isfinite(scores)
        found_faces = suppress(
            boxes[real],
            scores[real],
            least,
            self._overlap,
            self._blend,
            threshold=self.threshold,
        )
        return Prediction(found_faces)


class InstalledClassifier:
    """A mask classifier as the edge runs it.

    Args:
        source: Its file, or a graph.
        threads: For inference; None leaves the number to OpenVINO.

    Attributes:
        precision: In which the processor computes, such as `f32`.

    Raises:
        ModelError: The model is not there, cannot be run, or is no mask classifier.
    """

    def __init__(self, source: Path | Graph, threads: int | None = None) -> None:
        self._network = Network(source, threads=threads)
        self.path = self._network.path
        self.precision = self._network.precision
        keys = ("labels", "confidence_threshold", "crop_margin", "min_face_size")
        info = _said(self._network, "mask_classifier", keys)
        names = info["labels"].split()
        if sorted(names) != sorted(LABELS):
            raise UnfitModelError(
                f"{self.path} knows the labels {', '.join(names)}; needed are {', '.join(LABELS)}"
            )
        self._columns = [names.index(label) for label in LABELS]
        width, height = (int(side) for side in info.get("input_size", "0 0").split())
        self._side = (width, height) if info.get("resize") == "stretch" else None
        self.side = width
        if self._side:
            self._network.expect((1, height, width, 3))
        self.threshold = float(info["confidence_threshold"])
        self.margin = float(info["crop_margin"])
        self.smallest = float(info["min_face_size"])

    def probabilities(self, crop: Pixels) -> Floats:
        """Return the probabilities [labels] of one crop [H, W, 3], in the order of LABELS."""
        fitted = resized(crop, *self._side) if self._side else crop
        row = self._network.infer(np.ascontiguousarray(fitted)[None])["probabilities"][0]
        return np.asarray(row[self._columns], np.float32)

    def label(self, probabilities: Floats) -> int:
        """Return with_mask from its threshold on, else the likelier of the other two labels."""
        if probabilities[0] >= self.threshold:
            return 0
        return 1 if probabilities[1] >= probabilities[2] else 2

    def judge(self, picture: Pixels, boxes: Boxes) -> tuple[Integers, Floats]:
        """Judge faces.

        Args:
            picture: BGR u8 [H, W, 3].
            boxes: The faces' boxes in pixels [N, 4].

        Returns:
            Labels [N], UNJUDGED where a face is too small, and probabilities of with_mask [N].
        """
        labels = np.full(len(boxes), UNJUDGED, np.int64)
        masked = np.zeros(len(boxes), np.float32)
        for index, box in enumerate(boxes):
            if min(box[2] - box[0], box[3] - box[1]) >= self.smallest:
                row = self.probabilities(cut(picture, box.tolist(), self.margin))
                labels[index], masked[index] = self.label(row), row[0]
        return labels, masked


def _said(network: Network, kind: str, keys: tuple[str, ...]) -> dict[str, str]:
    info = dict(network.info)
    if info.get("model_type") != kind:
        raise UnfitModelError(
            f"{network.path} says that it is a {info.get('model_type', 'model of no kind')}, not a "
            f"{kind}; name the right file, or {_MEND}"
        )
    missing = [key for key in keys if key not in info]
    if missing:
        raise UnfitModelError(f"{network.path} does not say {', '.join(missing)}; {_MEND}")
    return info


def installed(pair: ModelPair, threads: int | None = None) -> System:
    """Put a detector and a classifier together, as the edge runs them.

    Args:
        pair: Both models.
        threads: For inference; None leaves the number to OpenVINO.

    Returns:
        The system of both.

    Raises:
        ModelError: A model is not there, cannot be run, or is of another kind.
    """
    detector = InstalledDetector(pair.detector, threads)
    classifier = InstalledClassifier(pair.classifier, threads)
    return System(
        pair.name,
        detector.find,
        detector.threshold,
        classifier.judge,
        detector.expect,
        detector.size,
        precision=detector.precision,
    )
