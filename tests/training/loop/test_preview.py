from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.training.tiny import write_coco
from training.__main__ import app
from training.loop.preview import draw_boxes


def test_the_preview_shows_samples_and_trains_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_coco(tmp_path / "mine", 20)
    app(["prepare", "--data", "mine"], standalone_mode=False)
    for kind, size in (("classifier", "48"), ("detector", "96")):
        capsys.readouterr()
        command = ["train", kind, "--preview", "--size", size, "--batch", "4", "--workers", "0"]
        app(command, standalone_mode=False)
        path = Path(f"var/training/{kind}-preview/samples.png")
        assert f"{path}: " in capsys.readouterr().out
        sheet = cv2.imread(str(path))
        assert sheet is not None
        assert sheet.std() > 10
        assert not Path(f"var/training/{kind}").exists()


def test_boxes_are_drawn_and_padding_is_not() -> None:
    picture = np.zeros((32, 32, 3), np.uint8)
    draw_boxes(picture, np.array([[4, 6, 20, 28], [0, 0, 0, 0]], np.float32), (0, 255, 0))
    assert picture[6, 10, 1] == picture[28, 10, 1] == picture[15, 4, 1] == 255
    assert picture[0, 0].sum() == picture[15, 10].sum() == 0
