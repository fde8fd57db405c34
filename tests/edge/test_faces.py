from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edge.errors import ModelUnfitError
from edge.faces import FaceDetector, blend_boxes
from edge.inference import loading
from edge.inference.model_info import ModelInfo
from edge.inference.pending import Pending
from edge.loaded_models import LoadedModels
from edge.manifest import Role, find
from tests.edge import standins


@dataclass
class NetworkFake:
    """Answers with the arrays that it was given."""

    boxes: Any
    scores: Any
    info: ModelInfo = field(
        default_factory=lambda: ModelInfo(standins.INFO["detector"], Path("fake.xml"))
    )

    def start(self, batch: object) -> Pending[list[dict[str, Any]]]:
        found = {
            "boxes": np.array(self.boxes, np.float32),
            "scores": np.array(self.scores, np.float32),
        }
        return Pending(lambda: [found])


Detect = Callable[..., list[tuple[list[float], float]]]


@pytest.fixture
def detect() -> Detect:
    def of(boxes: Any, scores: Any, **options: Any) -> list[tuple[list[float], float]]:
        detector = FaceDetector(NetworkFake(boxes, scores))  # type: ignore[arg-type]
        faces = detector.detect(standins.picture(None), **options)
        return [([f.box.x0, f.box.y0, f.box.x1, f.box.y1], round(f.score, 3)) for f in faces]

    return of


def test_a_face_is_found_where_it_is(models: LoadedModels) -> None:
    (face,) = models.detector.detect(standins.picture(standins.RED, box=(10, 20, 90, 110)))
    assert (face.box.x0, face.box.y0, face.box.x1, face.box.y1) == (10, 20, 90, 110)
    assert face.score == pytest.approx(standins.STRONG)


def test_an_empty_room_holds_no_face(models: LoadedModels) -> None:
    assert models.detector.detect(standins.picture(None), min_score=0.01) == []


def test_faint_faces_come_when_they_are_asked_for(models: LoadedModels) -> None:
    faces = models.detector.detect(standins.picture(standins.RED), min_score=0.05)
    assert [round(face.score, 2) for face in faces] == [standins.STRONG, standins.WEAK]


def test_of_overlapping_boxes_the_surest_stays(detect: Detect) -> None:
    boxes = [[0, 0, 100, 100], [5, 5, 105, 105], [200, 0, 300, 100]]
    assert [score for _, score in detect(boxes, [0.6, 0.9, 0.7])] == [0.9, 0.7]


def test_a_box_at_the_threshold_is_a_face(detect: Detect) -> None:
    assert len(detect([[0, 0, 50, 50]], [0.5])) == 1
    assert detect([[0, 0, 50, 50]], [0.4999]) == []


def test_boxes_are_cut_off_at_the_border(detect: Detect) -> None:
    assert detect([[-20, -10, 400, 300]], [0.9])[0][0] == [0, 0, 320, 240]


def test_boxes_outside_and_inside_out_are_no_faces(detect: Detect) -> None:
    boxes = [[330, 0, 400, 50], [50, 50, 40, 90], [10, 10, 10, 50]]
    assert detect(boxes, [0.9, 0.9, 0.9]) == []


def test_no_candidates_are_no_faces(detect: Detect) -> None:
    assert detect(np.zeros((0, 4)), np.zeros(0)) == []


def blending(boxes: Any, scores: Any, **options: Any) -> list[tuple[list[float], float]]:
    says = {"blend_iou_threshold": "0.5", "blend_score_threshold": "0.1"}
    info = ModelInfo(standins.INFO["detector"] | says, Path("fake.xml"))
    detector = FaceDetector(NetworkFake(boxes, scores, info))  # type: ignore[arg-type]
    faces = detector.detect(standins.picture(None), **options)
    return [([f.box.x0, f.box.y0, f.box.x1, f.box.y1], round(f.score, 3)) for f in faces]


def test_boxes_around_a_face_have_a_say_in_where_it_is() -> None:
    boxes = [[10, 10, 110, 110], [20, 10, 120, 110], [200, 0, 300, 100], [10, 10, 60, 60]]
    (left, first), (right, second) = blending(boxes, [0.8, 0.2, 0.6, 0.3])
    assert left == pytest.approx([12, 10, 112, 110])  # a fifth of the way; a quarter is too small
    assert (first, second) == (0.8, 0.6)
    assert right == pytest.approx([200, 0, 300, 100])


def test_a_box_that_has_a_say_is_still_no_face_of_its_own() -> None:
    boxes = [[10, 10, 110, 110], [200, 0, 300, 100]]
    assert blending(boxes, [0.4, 0.2]) == []
    assert len(blending(boxes, [0.4, 0.2], min_score=0.05)) == 2
    # Too unsure to have a say.
    assert blending([[0, 0, 99, 99], [9, 0, 108, 99]], [0.8, 0.09])[0][0] == pytest.approx(
        [0, 0, 99, 99]
    )


@given(
    arrays(np.float32, (9, 4), elements=st.floats(0, 300, width=32)),
    arrays(np.float32, 9, elements=st.floats(0.125, 1, width=32)),
    st.floats(0, 1),
)
def test_a_blended_box_lies_within_those_that_it_was_made_of(
    corners: Any, scores: Any, iou: float
) -> None:
    boxes = np.concatenate([corners[:, :2], corners[:, :2] + 1 + corners[:, 2:]], axis=1)
    moved = blend_boxes(boxes[:3], boxes, scores, iou)
    assert (moved >= boxes.min(axis=0) - 1e-3).all()
    assert (moved <= boxes.max(axis=0) + 1e-3).all()
    assert (moved[:, 2:] > moved[:, :2]).all()


@pytest.mark.parametrize(
    ("boxes", "scores"),
    [
        ([[0, 0, 10, np.nan]], [0.9]),
        ([[0, 0, 10, 10]], [np.inf]),
        ([[0, 0, 10]], [0.9]),
        ([[0, 0, 10, 10]], [0.9, 0.8]),
    ],
)
def test_arrays_without_meaning_are_an_error_and_not_an_empty_room(
    detect: Detect, boxes: Any, scores: Any
) -> None:
    with pytest.raises(ModelUnfitError, match=r"fake\.xml"):
        detect(boxes, scores)


@pytest.mark.parametrize("size", [(240, 320), (480, 640), (300, 500), (90, 60)])
def test_boxes_come_back_in_the_pixels_of_the_picture_that_was_given(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    """The graph sees a smaller picture, filled up; nobody outside can tell."""
    info = standins.INFO["detector"] | {
        "input_size": "160 160",
        "resize": "fit",
        "size_multiple": "32",
    }
    folder = standins.write(tmp_path, detector=info)
    detector = FaceDetector(loading.load(find(Role.DETECTOR, folder)))
    height, width = size
    box = (width // 4, height // 4, width // 2, height // 2)
    # Darker than the grey that fills up is what this stand-in takes for nothing.
    picture = standins.picture(standins.GREEN, box=box, size=size)
    for _ in range(2):
        face = detector.detect(picture)[0]
        found = (face.box.x0, face.box.y0, face.box.x1, face.box.y1)
        step = max(size) / 160
        assert np.abs(np.array(found) - box).max() <= 2 * step + 1e-3
        detector.expect(height, width)


def test_the_next_frame_may_be_started_before_the_faces_of_this_one_are_there(
    models: LoadedModels,
) -> None:
    boxes = [(10 + 20 * i, 20, 90 + 20 * i, 110) for i in range(4)]
    started = [models.detector.start(standins.picture(standins.RED, box=box)) for box in boxes]
    found = [pending.result()[0].box for pending in started]
    assert [(box.x0, box.y0, box.x1, box.y1) for box in found] == boxes


def test_a_close_face_and_a_part_of_it_are_one_face(detect: Detect) -> None:
    boxes = [[20, 20, 220, 230], [20, 20, 220, 112], [60, 70, 180, 190]]
    assert [score for _, score in detect(boxes, [0.9, 0.8, 0.6])] == [0.9]
    assert len(detect(boxes, [0.9, 0.8, 0.3], min_score=0.05)) == 2
