"""YuNet: an anchor-free face detector, through OpenVINO and through OpenCV.

Its source is Wu et al., "YuNet: A Tiny Millisecond-level Face Detector", 2023
(ShiqiYu/libfacedetection.train, Apache-2.0). Decoding and thresholds are those of OpenCV's
FaceDetectorYN (modules/objdetect/src/face_detect.cpp, FaceDetectorYNImpl::postProcess;
FaceDetectorYN::create).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from training.boxes.detections import Boxes, Detections
from training.errors import MissingModelError
from training.graphs.inference import Network
from training.graphs.system import Floats, Prediction, System, extent, prediction_of
from training.records.pictures import Pixels

_STRIDES = (8, 16, 32)
_THRESHOLD, _OVERLAP = 0.9, 0.3
_ORIGIN = "ShiqiYu/libfacedetection.train, Apache-2.0"


def decode(outputs: Mapping[str, NDArray[Any]], height: int, width: int) -> tuple[Boxes, Floats]:
    """Decode the twelve outputs of YuNet.

    Args:
        outputs: By name: cls, obj and bbox of each stride.
        height: Of the input in pixels, a multiple of 32.
        width: The same.

    Returns:
        Boxes x0 y0 x1 y1 in the input's pixels [N, 4], and scores [N]: the root of class times
        objectness.
    """
    boxes, scores = [], []
    for stride in _STRIDES:
        rows, columns = height // stride, width // stride
        certain = np.clip(outputs[f"cls_{stride}"].reshape(-1), 0, 1)
        there = np.clip(outputs[f"obj_{stride}"].reshape(-1), 0, 1)
        scores.append(np.sqrt(certain * there))
        ys, xs = np.mgrid[0:rows, 0:columns]
        cells = np.stack([xs.ravel(), ys.ravel()], -1)
        raw = outputs[f"bbox_{stride}"].reshape(-1, 4)
        centre = (cells + raw[:, :2]) * stride
        half = np.exp(raw[:, 2:]) * stride / 2
        boxes.append(np.concatenate([centre - half, centre + half], 1))
    return np.concatenate(boxes).astype(np.float32), np.concatenate(scores).astype(np.float32)


class YuNet:
    """YuNet through OpenVINO.

    Args:
        path: The ONNX file.
        threads: For inference; None leaves the number to OpenVINO.
        side: Side of the square into which a picture is letterboxed; None runs a picture at its
            full size, filled up to multiples of 32.

    Raises:
        ModelError: The file is not there, or cannot be run.
    """

    def __init__(self, path: Path, threads: int | None, side: int | None) -> None:
        shape = None if side is None else (1, 3, side, side)
        self._network = Network(path, threads=threads, shape=shape)
        self._side = side

    def expect(self, height: int, width: int) -> None:
        """Compile for pictures of this size, in pixels."""
        if self._side is None:
            self._network.expect((1, 3, -(-height // 32) * 32, -(-width // 32) * 32))

    def find(self, picture: Pixels, least: float) -> Prediction:
        """Return the faces of a picture with a score of at least `least`, without labels."""
        scale, shown = 1.0, picture
        if self._side is not None:
            scale = self._side / max(picture.shape[:2])
            wide, high = (max(1, round(v * scale)) for v in picture.shape[1::-1])
            shown = np.asarray(
                cv2.resize(
                    picture,
                    (wide, high),
                    interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR,
                ),
                np.uint8,
            )
        high, wide = (self._side or -(-v // 32) * 32 for v in shown.shape[:2])
        square = cv2.copyMakeBorder(
            shown, 0, high - shown.shape[0], 0, wide - shown.shape[1], cv2.BORDER_CONSTANT
        )
        blob = cv2.dnn.blobFromImage(square)
        boxes, scores = decode(self._network.infer(blob), high, wide)
        boxes = np.clip(boxes / np.float32(scale), 0, extent(picture))
        return prediction_of(boxes, scores, least=least, overlap=_OVERLAP)


class YuNetOfOpenCv:
    """The same file through cv2.FaceDetectorYN, at the picture's full size.

    Args:
        path: The ONNX file with dynamic input.

    Raises:
        MissingModelError: The file is not there.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise MissingModelError(f"model file {path} is not there; name another, or put it back")
        self._detector = cv2.FaceDetectorYN.create(str(path), "", (320, 320), 0.02, _OVERLAP, 300)

    def find(self, picture: Pixels, least: float) -> Prediction:
        """Return the faces of a picture with a score of at least `least`, without labels."""
        self._detector.setInputSize((picture.shape[1], picture.shape[0]))
        self._detector.setScoreThreshold(least)
        _, found = self._detector.detect(picture)
        rows = np.asarray(found if found is not None else np.zeros((0, 15)), np.float32)
        rows = rows[np.argsort(-rows[:, 14], kind="stable")]
        boxes = np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4]], 1)
        boxes = np.clip(boxes, 0, extent(picture))
        return Prediction(Detections(boxes, rows[:, 14]))


def yunet(path: Path, threads: int | None, side: int | None) -> System:
    """Return one of the released files through OpenVINO as a system."""
    model = YuNet(path, threads, side)
    size = "full size" if side is None else f"{side}x{side}"
    return System(
        f"YuNet {size}", model.find, _THRESHOLD, expect=model.expect, size=size, origin=_ORIGIN
    )


def yunet_of_opencv(path: Path, _threads: int | None) -> System:
    """Return the dynamic file through OpenCV's own detector as a system."""
    return System(
        "YuNet, cv2.FaceDetectorYN",
        YuNetOfOpenCv(path).find,
        _THRESHOLD,
        size="full size",
        origin=_ORIGIN,
    )
