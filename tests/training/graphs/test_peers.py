"""The peers' outputs, decoded: anchors and cells whose place is known by hand."""

from pathlib import Path

import numpy as np
import pytest

from training.errors import MissingModelError
from training.graphs.peers.catalogue import PEERS
from training.graphs.peers.escvm import quantised
from training.graphs.peers.ssd import anchors, decode
from training.graphs.peers.yunet import decode as decode_yunet


def test_the_ssd_has_an_anchor_for_each_of_its_outputs() -> None:
    rows = anchors()
    assert rows.shape == (5972, 4)
    assert rows[0].tolist() == pytest.approx([0.5 / 33, 0.5 / 33, 0.04, 0.04])
    assert rows[3].tolist() == pytest.approx(
        [0.5 / 33, 0.5 / 33, 0.04 * 0.42**0.5, 0.04 / 0.42**0.5]
    )
    # The second cell is the next to the right; the last level has 3 x 3 cells.
    assert rows[4, :2].tolist() == pytest.approx([1.5 / 33, 0.5 / 33])
    assert rows[-1, :2].tolist() == pytest.approx([2.5 / 3, 2.5 / 3])


def test_an_ssd_offset_of_nothing_is_its_anchor() -> None:
    prior = np.array([[0.5, 0.5, 0.2, 0.4]], np.float32)
    assert decode(np.zeros((1, 4), np.float32), prior)[0].tolist() == pytest.approx(
        [0.4, 0.3, 0.6, 0.7]
    )
    moved = decode(np.array([[1, 0, np.log(2) / 0.2, 0]], np.float32), prior)[0]
    assert moved.tolist() == pytest.approx([0.52 - 0.2, 0.3, 0.52 + 0.2, 0.7])


def test_a_yunet_cell_is_decoded_by_its_stride() -> None:
    outputs = {}
    for stride in (8, 16, 32):
        cells = (64 // stride) ** 2
        outputs[f"cls_{stride}"] = np.zeros((1, cells, 1), np.float32)
        outputs[f"obj_{stride}"] = np.zeros((1, cells, 1), np.float32)
        outputs[f"bbox_{stride}"] = np.zeros((1, cells, 4), np.float32)
    # Row 1, column 2 of the 4 x 4 cells of stride 16.
    outputs["cls_16"][0, 6], outputs["obj_16"][0, 6] = 0.64, 1.0
    outputs["bbox_16"][0, 6] = (0.5, 0.25, np.log(2), np.log(3))
    boxes, scores = decode_yunet(outputs, 64, 64)
    assert len(scores) == 64 + 16 + 4
    best = int(scores.argmax())
    assert scores[best] == pytest.approx(0.8)
    assert boxes[best].tolist() == pytest.approx([40 - 16, 20 - 24, 40 + 16, 20 + 24])


def test_pixels_become_the_tflite_files_integers() -> None:
    black, white = (np.full((8, 8, 3), v, np.uint8) for v in (0, 255))
    assert quantised(black).shape == (1, 224, 224, 3)
    assert set(quantised(black).ravel().tolist()) == {-128}
    assert set(quantised(white).ravel().tolist()) == {126}
    blue = np.zeros((8, 8, 3), np.uint8)
    blue[..., 0] = 255
    assert quantised(blue)[0, 0, 0].tolist() == [-128, -128, 126]


@pytest.mark.parametrize("peer", PEERS, ids=lambda p: p.name)
def test_a_file_that_is_not_there_is_named(peer: object, tmp_path: Path) -> None:
    with pytest.raises(MissingModelError, match=r"is not there"):
        peer.open([tmp_path / f for f in peer.files], 1)  # type: ignore[attr-defined]
