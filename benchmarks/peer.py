"""A peer in a plain OpenCV loop: AIZOO's SSD260, which finds faces and says who wears a mask.

Its file is given by a path (AIZOOTech/FaceMaskDetection, MIT: `aizoo_ssd260.pb`). OpenCV does not
read the reshaping at the end of this graph ("Input layer not found: …/Reshape/shape/1"), so the
graph is cut before it, and numpy does the rest, which is a small part of the time.
"""

import re
import tempfile
from pathlib import Path

import cv2
import numpy as np

from edge.values import FloatArray, Image
from training.graphs.peers.ssd import SIDE, anchors, decode

THRESHOLD, OVERLAP = 0.5, 0.5
_SCALES = range(5)
_CUT = re.compile(r"reshape|concat|Sigmoid", re.IGNORECASE)


class PeerError(Exception):
    """The peer's file cannot be run."""


class OpenCvSsd:
    """The peer, run by `cv2.dnn`.

    Args:
        path: TensorFlow's frozen graph.

    Raises:
        PeerError: The file is not there, or OpenCV cannot read it.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise PeerError(f"{path} is not there; name the file of AIZOO's SSD260 with --peer")
        try:
            with tempfile.NamedTemporaryFile("w+", suffix=".pbtxt") as text:
                cv2.dnn.writeTextGraph(str(path), text.name)
                graph = Path(text.name).read_text(encoding="utf-8")
                Path(text.name).write_text(_cut(graph), encoding="utf-8")
                self._net = cv2.dnn.readNetFromTensorflow(
                    str(path), text.name, engine=cv2.dnn.ENGINE_CLASSIC
                )
        except cv2.error as error:
            raise PeerError(f"OpenCV cannot read {path}: {error.err}") from error
        self._names = [f"{part}_{n}_conv_1/convolution" for part in ("cls", "loc") for n in _SCALES]
        self._anchors = anchors()

    def find(self, image: Image) -> tuple[FloatArray, FloatArray]:
        """Find the faces of a picture.

        Returns:
            Boxes [N, 4] in pixels, and for each the probabilities [N, 2] of mask and no mask.
        """
        self._net.setInput(cv2.dnn.blobFromImage(image, 1 / 255, (SIDE, SIDE), swapRB=True))
        outputs = self._net.forward(self._names)
        half = len(_SCALES)
        classes, raw = (
            np.concatenate([o[0].transpose(1, 2, 0).reshape(-1, columns) for o in part])
            for part, columns in ((outputs[:half], 2), (outputs[half:], 4))
        )
        # A face needs a probability of THRESHOLD, so most anchors need no further arithmetic.
        likely = np.flatnonzero(classes.max(1) >= np.log(THRESHOLD / (1 - THRESHOLD)))
        height, width = image.shape[:2]
        boxes = decode(raw[likely], self._anchors[likely]) * np.array([width, height] * 2)
        scores = 1 / (1 + np.exp(-classes[likely]))
        corners = np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])
        kept = list(
            cv2.dnn.NMSBoxes(corners.tolist(), scores.max(1).tolist(), THRESHOLD, OVERLAP)
            if len(likely)
            else []
        )
        return boxes[kept], scores[kept]


def _cut(graph: str) -> str:
    """Return a text graph without constants, which the binary graph has, and without its end."""
    nodes = re.findall(r"^node \{\n.*?^\}\n", graph, re.DOTALL | re.MULTILINE)
    return "".join(
        node for node in nodes if not _CUT.search(node.split("\n")[1]) and 'op: "Const"' not in node
    )
