"""Ultra-Light RFB: Linzaer's small SSDs with a receptive-field block, in two releases.

One finds faces at 320x240, the other faces with and without masks at 640x480
(Linzaer/Ultra-Light-Fast-Generic-Face-Detector-1MB, MIT). The boxes leave the graph decoded, as
shares of the picture. Normalisation and thresholds are those of detect_imgs_onnx.py and
masked_face/detect_imgs.py, which stretch the picture to the input.
"""

from pathlib import Path

import cv2
import numpy as np

from training.graphs.inference import Network
from training.graphs.system import Prediction, System, extent, prediction_of
from training.records.pictures import Pixels

_MEAN, _SCALE = 127.0, 128.0
_ORIGIN = "Linzaer/Ultra-Light-Fast-Generic-Face-Detector-1MB, MIT"
_OVERLAP = 0.5


class Ultralight:
    """One of the released detectors.

    Args:
        path: The ONNX file.
        threads: For inference; None leaves the number to OpenVINO.
        width: Of its input, in pixels.
        height: The same.

    Raises:
        ModelError: The file is not there, or cannot be run.
    """

    def __init__(self, path: Path, threads: int | None, width: int, height: int) -> None:
        self._network = Network(path, threads=threads, shape=(1, 3, height, width))
        self._size = (width, height)

    def find(self, picture: Pixels, least: float) -> Prediction:
        """Return the faces of a picture, with labels where the model has a column for masks."""
        blob = cv2.dnn.blobFromImage(
            picture, 1 / _SCALE, self._size, (_MEAN, _MEAN, _MEAN), swapRB=True
        )
        outputs = self._network.infer(blob)
        boxes, classes = outputs["boxes"][0], outputs["scores"][0][:, 1:]
        likely = np.flatnonzero(classes.max(1) >= least)
        boxes, classes = boxes[likely], classes[likely]
        pixels = np.clip(boxes, 0, 1) * extent(picture)
        if classes.shape[1] == 1:
            return prediction_of(pixels, classes[:, 0], least=least, overlap=_OVERLAP)
        # The model's columns are face and masked face: the second is our first label.
        labels = np.where(classes[:, 1] > classes[:, 0], 0, 1).astype(np.int64)
        masked = classes[:, 1] / np.maximum(classes.sum(1), 1e-6)
        return prediction_of(
            pixels, classes.max(1), least=least, overlap=_OVERLAP, labels=labels, masked=masked
        )


def ultralight_320(path: Path, threads: int | None) -> System:
    """Return the face detector as a system."""
    find = Ultralight(path, threads, 320, 240).find
    return System("Ultra-Light RFB 320", find, 0.7, size="320x240", origin=_ORIGIN)


def ultralight_masked(path: Path, threads: int | None) -> System:
    """Return the detector of masked and bare faces as a system."""
    find = Ultralight(path, threads, 640, 480).find
    return System("Ultra-Light RFB 640, masked faces", find, 0.3, size="640x480", origin=_ORIGIN)
