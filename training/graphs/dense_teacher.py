"""YuNet's answer at every anchor point, as a target for training."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.errors import MissingDataError
from training.graphs.inference import Network
from training.graphs.peers.yunet import decode
from training.records.pictures import Pixels


def require_teacher(path: Path) -> None:
    """Make sure that a teacher's file is there, without opening it.

    Args:
        path: YuNet's ONNX file.

    Raises:
        MissingDataError: The file is not there.
    """
    if not path.is_file():
        raise MissingDataError(
            f"{path}: the teacher's ONNX file is not there; name YuNet's with --teacher, "
            f"or leave --teacher out"
        )


class DenseTeacher:
    """Asks YuNet about pictures of one size, at every anchor point of strides 8, 16 and 32.

    These are the anchor points of our detector, too.

    Args:
        path: YuNet's ONNX file.
        size: Side of the pictures in pixels, a multiple of 32.

    Raises:
        MissingDataError: The file is not there.
        ModelError: The file cannot be run.
    """

    def __init__(self, path: Path, size: int) -> None:
        require_teacher(path)
        self._network = Network(path, threads=1, shape=(1, 3, size, size))
        self._size = size

    def __call__(self, picture: Pixels) -> NDArray[np.float32]:
        """Ask YuNet about a picture.

        Args:
            picture: BGR u8 [S, S, 3].

        Returns:
            f32 [A, 5]: score 0…1, then x0 y0 x1 y1 in pixels, of each anchor point.

        Raises:
            UnfitModelError: The model fails on the picture.
        """
        outputs = self._network.infer(cv2.dnn.blobFromImage(picture))
        boxes, scores = decode(outputs, self._size, self._size)
        return np.concatenate([scores[:, None], boxes], 1).astype(np.float32)
