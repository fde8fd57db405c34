"""Sequences: the picture moves and the face is where it is said to be; what is counted per sighting
is what the edge's vote settled.
"""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import typer
from typer.testing import CliRunner

from benchmarks.sightings import FRAMES, Report, Result, main, open_models, run, shots
from cloud.contract import Label
from edge.loaded_models import LoadedModels
from edge.settings import MODELS_DIR
from edge.values import Box, Face, Judgement
from tests.training.tiny import draw_face, write_coco
from training.graphs.installed import InstalledClassifier, InstalledDetector, pairs_in
from training.measuring.intervals import Rate
from training.records.record import FaceRecord

FACE = FaceRecord((40.0, 30.0, 100.0, 100.0), "with_mask")


@pytest.fixture(scope="module")
def models() -> LoadedModels:
    return open_models(MODELS_DIR, threads=1)


def picture() -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    image = np.full((120, 160, 3), 200, np.uint8)
    draw_face(image, (40, 30, 100, 100), "without_mask")
    return image


def test_a_sequence_moves_and_says_where_the_face_is() -> None:
    made = list(shots(picture(), FACE, np.random.default_rng(3)))
    assert len(made) == FRAMES
    assert all(s.image.shape == (480, 640, 3) for s in made)
    centres = np.array([s.face.centre for s in made])
    assert np.ptp(centres, axis=0).max() > 3
    for shot in made:
        x, y = (int(v) for v in shot.face.centre)
        inside, outside = shot.image[y, x].astype(int), shot.image[2, 2].astype(int)
        # The made-up skin is much less blue than the room.
        assert inside[2] - inside[0] > outside[2] - outside[0] + 10


def test_the_same_seed_makes_the_same_frames() -> None:
    one, two, other = (
        np.stack([s.image for s in shots(picture(), FACE, np.random.default_rng(seed), 3)])
        for seed in (1, 1, 2)
    )
    assert (one == two).all()
    assert (one != other).any()


class Fake:
    """A detector that finds the face, and a classifier that is wrong in a quarter of the frames."""

    certain_threshold = 0.0

    def __init__(self, boxes: list[Face]) -> None:
        self.boxes, self.frame = boxes, -1

    def detect(self, _image: object) -> list[Face]:
        self.frame += 1
        return [self.boxes[self.frame]]

    def can_judge(self, _face: Face) -> bool:
        return True

    def judge(self, _image: object, faces: list[Face]) -> list[object]:
        wrong = self.frame % 4 == 1
        said = Label.WITHOUT_MASK if wrong else Label.WITH_MASK
        rest = [label for label in Label if label is not said]
        return [Judgement(f, said, {said: 0.8, rest[0]: 0.1, rest[1]: 0.1}) for f in faces]


def test_a_sighting_outvotes_frames_that_flicker() -> None:
    made = list(shots(picture(), FACE, np.random.default_rng(3)))
    fake = Fake([Face(s.face, 0.9) for s in made])
    result = run(LoadedModels(fake, fake), Label.WITH_MASK, made)  # type: ignore[arg-type]
    assert result.verdicts == [Label.WITH_MASK]
    told = Report("d", 0, [result], Counter()).rates()
    assert told["false_refusal"] == (Rate(6, 25), Rate(0, 1))
    assert told["found_or_decided"] == (Rate(25, 25), Rate(1, 1))


def test_a_sequence_without_a_verdict_is_counted_as_undecided() -> None:
    lost = Result(Label.WITHOUT_MASK, [None] * 25, [])
    admitted = Result(Label.WITHOUT_MASK, [Label.WITH_MASK] * 25, [Label.WITH_MASK])
    told = Report("d", 0, [lost, admitted], Counter()).rates()
    assert told["false_admit_without_mask"] == (Rate(25, 25), Rate(1, 1))
    assert told["found_or_decided"] == (Rate(25, 50), Rate(1, 2))


def test_edge_and_training_say_the_same_of_the_same_picture(models: LoadedModels) -> None:
    (pair, *_) = pairs_in(MODELS_DIR)
    finder = InstalledDetector(pair.detector, threads=1)
    judge = InstalledClassifier(pair.classifier, threads=1)
    (shot, *_) = shots(picture(), FACE, np.random.default_rng(3), 1)
    # Each resizes for itself, the edge before the graph and training in it: what is hardly seen
    # may be seen by one alone.
    ours = finder.find(shot.image, 0.3).faces
    theirs = models.detector.detect(shot.image, min_score=0.3)
    assert len(ours.scores) == len(theirs)
    assert ours.scores.tolist() == pytest.approx([f.score for f in theirs], abs=2e-2)
    astronaut = skimage.data.astronaut()  # type: ignore[no-untyped-call]
    portrait = np.ascontiguousarray(astronaut[:, :, ::-1])
    corners = (175.0, 60.0, 275.0, 195.0)
    (said,) = models.classifier.judge(portrait, [Face(Box(*corners), 0.9)])
    labels, masked = judge.judge(portrait, np.array([corners], np.float32))
    assert list(Label)[int(labels[0])] == said.label
    assert float(masked[0]) == pytest.approx(said.probabilities[Label.WITH_MASK], abs=2e-2)


def test_the_command_reports_frames_beside_sightings(tmp_path: Path) -> None:
    write_coco(tmp_path / "mine", 3)
    app = typer.Typer()
    app.command()(main)
    options = ["--most", "1", "--least-side", "32", "--threads", "1"]
    place = ["--data", str(tmp_path / "mine"), "--json", str(tmp_path / "out.json")]
    done = CliRunner().invoke(app, [*place, *options])
    assert done.exit_code == 0, done.output
    told = json.loads((tmp_path / "out.json").read_text())
    assert told["sequences"] == 3
    assert set(told["by_label"]) == set(Label)
    assert told["found_or_decided"]["per_frame"]["of"] == 75
    assert told["left_out"] == {"more than 1 of a label": 3}
