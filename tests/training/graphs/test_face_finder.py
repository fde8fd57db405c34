from pathlib import Path

import pytest

from tests.training.clips import BARE, clip
from training.errors import ModelError
from training.graphs.face_finder import SHIPPED, FaceFinder


def test_the_edges_own_detector_finds_the_face_in_the_clip_and_nothing_where_she_is_away() -> None:
    finder = FaceFinder()
    (face,) = finder.find(clip()[BARE[-1]])
    x0, y0, x1, y1 = face.box
    assert 200 < x0 < x1 < 460
    assert 60 < y0 < y1 < 330
    assert face.side > 100
    assert finder.find(clip()[0]) == []


def test_a_model_that_is_not_there_or_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not there"):
        FaceFinder(tmp_path / "x.xml")
    (tmp_path / "x.xml").write_text("<no/>")
    with pytest.raises(ModelError, match="cannot be used"):
        FaceFinder(tmp_path / "x.xml")
    with pytest.raises(ModelError, match="iou_threshold"):
        FaceFinder(SHIPPED.with_name("mask-classifier.xml"))
