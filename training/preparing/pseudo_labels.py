"""Pseudo-labels: a released detector finds the faces of pictures that came without boxes."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from training.errors import MissingDataError
from training.records.pictures import read_picture
from training.records.record import FaceRecord, Record

CERTAIN = 0.75
"""Least score, 0…1, of a box that counts as a face."""
DOUBTFUL = 0.35
"""Least score, 0…1, of a box at all; below CERTAIN the box is a region to ignore."""


class PseudoLabeller:
    """YuNet (ShiqiYu/libfacedetection.train, Apache-2.0), run by OpenCV's FaceDetectorYN.

    Args:
        path: YuNet's ONNX file with dynamic input.

    Raises:
        MissingDataError: The file does not exist.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise MissingDataError(
                f"{path}: the teacher's ONNX file is not there; name YuNet's with --teacher, "
                f"or leave --teacher out"
            )
        self._detector = cv2.FaceDetectorYN.create(str(path), "", (320, 320), DOUBTFUL, 0.4, 500)

    def label(self, record: Record) -> Record:
        """Add the faces that YuNet finds to a record.

        Args:
            record: A picture without boxes.

        Returns:
            The record with its faces. A picture of one face keeps only the most certain one.
        """
        picture = read_picture(Path(record.path))
        if picture is None:
            return record
        # YuNet does not find a face that fills its picture: room is added around it.
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
        return replace(record, faces=tuple(faces), boxed=bool(faces), by_people=False)
