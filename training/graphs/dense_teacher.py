"""YuNet's answer at every anchor point, as a target for training."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.errors import MissingDataError
from training.graphs.inference import Network
from training.graphs.peers.yunet import decode
from training.records.pictures import Pixels


class DenseTeacher:
    """What YuNet says at every anchor point of strides 8, 16 and 32, which are our detector's too,
    of pictures whose side is `size`, a multiple of 32. Raises ModelError.
    """

    def __init__(self, path: Path, size: int) -> None:
        if not path.is_file():
            raise MissingDataError(
                f"{path}: the teacher's ONNX file is not there; name YuNet's with --teacher, "
                f"or leave --teacher out"
            )
        self._network = Network(path, threads=1, shape=(1, 3, size, size))
        self._size = size

    def __call__(self, picture: Pixels) -> NDArray[np.float32]:
        """BGR u8 [S, S, 3] → f32 [A, 5]: score 0…1, x0 y0 x1 y1 in pixels.

        Raises UnfitModelError.
        """
        outputs = self._network.infer(cv2.dnn.blobFromImage(picture))
        boxes, scores = decode(outputs, self._size, self._size)
        return np.concatenate([scores[:, None], boxes], 1).astype(np.float32)
