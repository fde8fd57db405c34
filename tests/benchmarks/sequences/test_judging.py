"""Judging: the frames go through the stills check and the tracker as in the pipeline."""

import cv2
import numpy as np
import pytest

from benchmarks.sequences.clips import FPS, Face
from benchmarks.sequences.judging import JudgedClip, JudgedFrame, verdicts
from cloud.contract import Label
from edge.settings import Stills
from edge.values import Box, Judgement
from edge.values import Face as FoundFace

HERE = Box(270, 150, 350, 250)


@pytest.mark.parametrize(("stills", "passes"), [(Stills.MOTIONLESS, 0), (Stills.OFF, 1)])
def test_a_picture_on_the_wall_gets_a_pass_without_the_stills_check_alone(
    stills: Stills, passes: int
) -> None:
    spots = np.random.default_rng(0).integers(40, 220, (30, 40, 3), np.uint8)
    wall = cv2.resize(spots, (640, 480), interpolation=cv2.INTER_CUBIC)
    jpeg = cv2.imencode(".jpg", wall)[1].tobytes()
    face = FoundFace(HERE, 0.9)
    judged = Judgement(face, Label.WITH_MASK, dict.fromkeys(Label, 1 / 3))
    frame = JudgedFrame([judged], [Face(0, HERE, Label.WITH_MASK)], jpeg=jpeg)
    clip = JudgedClip("poster", "", [False], [True], 0.0, dict.fromkeys(range(2 * FPS), frame))
    assert len(verdicts(clip, 15, stills)) == passes
