"""A released detector labels the faces of pictures that came without boxes (YuNet, through OpenCV's
FaceDetectorYN).
"""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.errors import MissingDataError
from training.inference import Network
from training.layouts import Pixels, read_picture
from training.peers.yunet import decode
from training.records import FaceRecord, Record

CERTAIN = 0.75
"""Score from which a teacher's box is a positive; below, and down to DOUBTFUL, it is a region to
ignore.
"""
DOUBTFUL = 0.35


class Teacher:
    """YuNet (ShiqiYu/libfacedetection.train, Apache-2.0). `path` is its ONNX file with dynamic
    input.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise MissingDataError(
                f"{path}: the teacher's ONNX file is not there; name YuNet's with --teacher, "
                f"or leave --teacher out"
            )
        self._detector = cv2.FaceDetectorYN.create(str(path), "", (320, 320), DOUBTFUL, 0.4, 500)

    def label(self, record: Record) -> Record:
        """The record with the faces that the teacher saw. Pictures of one face keep only the surest
        one.
        """
        picture = read_picture(Path(record.path))
        if picture is None:
            return record
        # A face that fills its picture is found only with room around it.
        margin = max(picture.shape[:2]) // 4
        padded = cv2.copyMakeBorder(picture, margin, margin, margin, margin, cv2.BORDER_CONSTANT)
        self._detector.setInputSize((padded.shape[1], padded.shape[0]))
        _, found = self._detector.detect(padded)
        faces = []
        for row in sorted(
            np.asarray(found if found is not None else np.zeros((0, 15))).tolist(),
            key=lambda r: -r[14],
        ):
            x, y, w, h = (float(v) for v in row[:4])
            box = (
                max(0.0, x - margin),
                max(0.0, y - margin),
                min(float(record.width), x + w - margin),
                min(float(record.height), y + h - margin),
            )
            if box[2] - box[0] < 4 or box[3] - box[1] < 4:
                continue
            points = tuple((row[4 + 2 * i] - margin, row[5 + 2 * i] - margin) for i in range(5))
            faces.append(FaceRecord(box, record.crop, row[14] < CERTAIN, points))
        if record.crop is not None:
            return replace(record, faces=tuple(f for f in faces[:1] if not f.ignore))
        return replace(record, faces=tuple(faces), boxed=bool(faces))


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
