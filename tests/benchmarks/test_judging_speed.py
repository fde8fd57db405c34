from pathlib import Path

import numpy as np
import pytest

from benchmarks import judging_speed
from benchmarks.peer import OpenCvSsd, PeerError
from edge.loaded_models import load
from edge.settings import Settings


@pytest.mark.parametrize("count", judging_speed.COUNTS)
def test_a_crowd_shows_as_many_faces_as_were_asked_for(count: int) -> None:
    models = load(Settings(), mirror=False)
    frames = judging_speed.crowd(count)
    assert {frame.shape for frame in frames} == {(480, 640, 3)}
    assert len(models.detector.detect(frames[0])) == count
    assert not np.array_equal(frames[0], frames[1])


def test_a_peer_that_is_absent_is_named_with_the_mend(tmp_path: Path) -> None:
    with pytest.raises(PeerError, match="--peer"):
        OpenCvSsd(tmp_path / "ssd.pb")
