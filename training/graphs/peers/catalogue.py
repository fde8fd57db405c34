"""The released models that ours are compared with: their files, and how each is opened."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from training.graphs.peers.escvm import ORIGIN, escvm
from training.graphs.peers.ssd import aizoo
from training.graphs.peers.ultralight import ultralight_320, ultralight_masked
from training.graphs.peers.yunet import yunet, yunet_of_opencv
from training.graphs.system import System

_YUNET = "yunet_n_dynamic.onnx"
_ESCVM = "escvm_mobilenetv2_mask_int8.tflite"


@dataclass(frozen=True, slots=True)
class Peer:
    """A released system, which needs all of its files.

    Attributes:
        name: For people.
        files: Names of files in the folder of the peers.
        open: Their paths and a number of threads → the system. Raises ModelError.
    """

    name: str
    files: tuple[str, ...]
    open: Callable[[list[Path], int | None], System]


def _alone(name: str, file: str, opened: Callable[[Path, int | None], System]) -> Peer:
    return Peer(name, (file,), lambda paths, threads: opened(paths[0], threads))


def _with_escvm(paths: list[Path], threads: int | None) -> System:
    finder = yunet(paths[0], threads, None)
    return replace(
        finder,
        name="YuNet full size + EscVM",
        judge=escvm(paths[1], threads),
        origin=f"{finder.origin}; {ORIGIN}",
    )


PEERS = (
    _alone("AIZOO SSD260", "aizoo_ssd260.pb", aizoo),
    _alone("YuNet 320x320", "yunet_n_320_320.onnx", partial(yunet, side=320)),
    _alone("YuNet 640x640", "yunet_n_640_640.onnx", partial(yunet, side=640)),
    _alone("YuNet full size", _YUNET, partial(yunet, side=None)),
    _alone("YuNet, cv2.FaceDetectorYN", _YUNET, yunet_of_opencv),
    _alone("Ultra-Light RFB 320", "ultralight_rfb320.onnx", ultralight_320),
    _alone(
        "Ultra-Light RFB 640, masked faces",
        "ultralight_rfb640_masked_face.onnx",
        ultralight_masked,
    ),
    Peer("YuNet full size + EscVM", (_YUNET, _ESCVM), _with_escvm),
)
