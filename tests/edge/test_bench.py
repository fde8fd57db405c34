import json
from pathlib import Path

import pytest

from edge import bench
from edge.bench import Row
from edge.errors import EdgeError, SourceError
from edge.loaded_models import LoadedModels
from tests.edge import standins
from tests.edge.capture.test_sources import video


def test_every_row_stands_beside_another_figure(models: LoadedModels, tmp_path: Path) -> None:
    rows = bench.measure(models, [standins.picture(standins.GREEN)], 0.4)
    out = tmp_path / "folder" / "bench.json"
    bench.write(rows, out)
    read = json.loads(out.read_text())
    assert list(read) == list(rows)
    for row in read.values():
        assert row["precision"] == "f32"
        assert row["processor_ms"] > 0
        assert row["processor_ratio"] > 0
        assert row["value"] > 0
        assert row["ratio"] > 0
        assert row["unit"] == "frames/s"
    # Frames that each take 30 ms to come cannot be judged faster than they come.
    assert read["edge_capture_concurrent_slow_source"]["value"] <= 1 / bench.SLOW_SOURCE_S + 5


def test_frames_come_from_a_source_or_are_drawn(tmp_path: Path) -> None:
    assert len(bench.load_frames(video(tmp_path / "clip.avi", 3))) == 3
    (room,) = bench.load_frames(None)
    assert room.shape == (480, 640, 3)
    with pytest.raises(SourceError):
        bench.load_frames(tmp_path / "nowhere.mp4")


@pytest.mark.parametrize(
    ("fast", "slow", "words"),
    [
        (0.8, 1.4, ["one loop is faster", "a thread for capture is faster, with 1.40"]),
        (1.0, 1.0, ["makes no difference"]),
    ],
)
def test_the_conclusion_follows_the_figures(fast: float, slow: float, words: list[str]) -> None:
    rows = {
        "edge_capture_concurrent_fast_source": Row(1, "frames/s", "x", fast),
        "edge_capture_concurrent_slow_source": Row(1, "frames/s", "x", slow),
    }
    assert all(word in bench.conclusion(rows) for word in words)


def test_a_pipeline_that_is_faster_than_its_models_is_not_believed() -> None:
    def rows(ratio: float, processor_ratio: float) -> dict[str, Row]:
        return {"edge_pipeline": Row(1, "frames/s", "x", ratio, processor_ratio=processor_ratio)}

    assert bench.warning(rows(0.95, 0.9)) == ""
    # Detector and classifier run at the same time, but use no less of the processors.
    assert bench.warning(rows(1.4, 1.04)) == ""
    assert "1.59 times as fast by processor time" in bench.warning(rows(1.4, 1.59))
    assert "impossible" in bench.warning(rows(2.5, 0.9))


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EdgeError, match="cannot be written"):
        bench.write({}, tmp_path / "file" / "bench.json")
