"""AIZOO's FaceMaskDetection: one SSD that finds faces and says which wear a mask.

Anchors, variances and thresholds are those of the released code (AIZOOTech/FaceMaskDetection, MIT:
tensorflow_infer.py, utils/anchor_generator.py, utils/anchor_decode.py). The boxes are those of SSD
(Liu et al., "SSD: Single Shot MultiBox Detector", 2016, section 2.2).
"""

from pathlib import Path

import cv2
import numpy as np

from training.boxes.detections import Boxes
from training.graphs.inference import Network
from training.graphs.system import Prediction, System, extent, prediction_of
from training.records.pictures import Pixels

SIDE = 260
_CELLS = (33, 17, 9, 5, 3)
_SIZES = ((0.04, 0.056), (0.08, 0.11), (0.16, 0.22), (0.32, 0.45), (0.64, 0.72))
_RATIOS = (0.62, 0.42)
_VARIANCES = (0.1, 0.2)
_THRESHOLD, _OVERLAP = 0.5, 0.5
_LABELS = (0, 1)
"""The model's columns, mask and no mask, as places in LABELS."""


def anchors() -> Boxes:
    """List the anchors: for each cell two squares, then the smaller one in two upright ratios.

    Returns:
        Centre x, y, width and height [5972, 4] as shares of the picture.
    """
    rows = []
    for cells, sizes in zip(_CELLS, _SIZES, strict=True):
        shapes = [(s, s) for s in sizes]
        shapes += [(sizes[0] * r**0.5, sizes[0] / r**0.5) for r in _RATIOS]
        centres = (np.arange(cells) + 0.5) / cells
        ys, xs = np.meshgrid(centres, centres, indexing="ij")
        places = np.stack([xs, ys], -1).reshape(-1, 1, 2).repeat(len(shapes), 1)
        extents = np.broadcast_to(np.array(shapes), (cells * cells, len(shapes), 2))
        rows.append(np.concatenate([places, extents], -1).reshape(-1, 4))
    return np.concatenate(rows).astype(np.float32)


def decode(raw: Boxes, priors: Boxes) -> Boxes:
    """Return offsets [N, 4] against anchors [N, 4] as x0 y0 x1 y1, shares of the picture."""
    centre = raw[:, :2] * _VARIANCES[0] * priors[:, 2:] + priors[:, :2]
    half = np.exp(raw[:, 2:] * _VARIANCES[1]) * priors[:, 2:] / 2
    return np.concatenate([centre - half, centre + half], 1).astype(np.float32)


class MaskSsd:
    """The released detector with labels.

    Args:
        path: TensorFlow's frozen graph.
        threads: For inference; None leaves the number to OpenVINO.

    Raises:
        ModelError: The file is not there, or cannot be run.
    """

    def __init__(self, path: Path, threads: int | None) -> None:
        self._network = Network(path, threads=threads, shape=(1, SIDE, SIDE, 3))
        self._anchors = anchors()

    def find(self, picture: Pixels, least: float) -> Prediction:
        """Return the faces of a picture with a score of at least `least`, with labels."""
        small = cv2.cvtColor(cv2.resize(picture, (SIDE, SIDE)), cv2.COLOR_BGR2RGB)
        outputs = self._network.infer((small.astype(np.float32) / 255)[None]).values()
        by_columns = {o.shape[-1]: o[0] for o in outputs}
        classes, raw = by_columns[2], by_columns[4]
        # Only anchors that can be a face are decoded: the boxes are the same, and it is faster.
        likely = np.flatnonzero(classes.max(1) >= least)
        classes = classes[likely]
        whole = extent(picture)
        boxes = np.clip(decode(raw[likely], self._anchors[likely]) * whole, 0, whole)
        labels = np.array(_LABELS, np.int64)[classes.argmax(1)]
        return prediction_of(
            boxes,
            classes.max(1),
            least=least,
            overlap=_OVERLAP,
            labels=labels,
            masked=classes[:, 0],
        )


def aizoo(path: Path, threads: int | None) -> System:
    """Return the released 260 px model as a system."""
    origin = "AIZOOTech/FaceMaskDetection, MIT"
    return System(
        "AIZOO SSD260",
        MaskSsd(path, threads).find,
        _THRESHOLD,
        size=f"{SIDE}x{SIDE}",
        origin=origin,
    )
