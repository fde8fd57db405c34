"""EscVM's MobileNetV2 for the Edge TPU: a classifier of face crops, mask or none.

Its source is EscVM/Edge_TPU_Face_Mask_Detection, Apache-2.0. The quantisation is that of the file;
crop and threshold are those of the released code (utils/detect_mask.py, config.json): the bare box,
stretched, and a mask where (1 − output) × 1.25 > 0.8.
"""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.boxes.detections import Boxes
from training.graphs.inference import Network
from training.graphs.system import Floats, Integers, Judge
from training.records.pictures import Pixels

SIDE = 224
ORIGIN = "EscVM/Edge_TPU_Face_Mask_Detection, Apache-2.0"
_THRESHOLD = 0.8 / 1.25
_OUTPUT_SCALE, _OUTPUT_ZERO = 1 / 256, -128


def quantised(crop: Pixels) -> NDArray[np.int8]:
    """Return a crop BGR u8 [H, W, 3] as RGB i8 [1, 224, 224, 3]: scale 1 / 127.5, zero point −1."""
    square = cv2.cvtColor(cv2.resize(crop, (SIDE, SIDE)), cv2.COLOR_BGR2RGB).astype(np.float32)
    values = square / 127.5 - 1
    return np.asarray(np.clip(values * 127.5 - 1, -128, 127).astype(np.int8)[None])


class MaskMobileNet:
    """The released classifier.

    Args:
        path: The TensorFlow Lite file.
        threads: For inference; None leaves the number to OpenVINO.

    Raises:
        ModelError: The file is not there, or cannot be run.
    """

    def __init__(self, path: Path, threads: int | None) -> None:
        self._network = Network(path, threads=threads, shape=(1, SIDE, SIDE, 3))

    def judge(self, picture: Pixels, boxes: Boxes) -> tuple[Integers, Floats]:
        """Judge faces.

        Args:
            picture: BGR u8 [H, W, 3].
            boxes: The faces' boxes in pixels [N, 4].

        Returns:
            Labels [N], with_mask or without_mask, and probabilities of with_mask [N].
        """
        masked = np.zeros(len(boxes), np.float32)
        height, width = picture.shape[:2]
        for index, box in enumerate(boxes):
            x0, y0 = max(0, int(box[0])), max(0, int(box[1]))
            x1, y1 = min(width, int(box[2])), min(height, int(box[3]))
            crop = picture[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]
            value = float(next(iter(self._network.infer(quantised(crop)).values())).item())
            masked[index] = 1 - _OUTPUT_SCALE * (value - _OUTPUT_ZERO)
        return np.where(masked > _THRESHOLD, 0, 1).astype(np.int64), masked


def escvm(path: Path, threads: int | None) -> Judge:
    """Return the released classifier."""
    return MaskMobileNet(path, threads).judge
