import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.training.tiny import write_coco
from training.__main__ import app
from training.errors import MissingRunError
from training.measuring.classifier_comparison import multiplications, parameters
from training.networks.architectures import ARCHITECTURES, built
from training.networks.checkpoint import save


def test_multiplications_are_those_that_one_counts_by_hand() -> None:
    model = built(replace(ARCHITECTURES["small-cnn"], size=32))
    # Convolutions: k² · in · out · positions; dense: in · out.
    convolutions = 9 * (3 * 32 * 32**2 + 32 * 64 * 16**2 + 64 * 128 * 8**2 + 128 * 128 * 4**2)
    dense = 128 * 2 * 2 * 128 + 128 * 3
    assert multiplications(model, 32) == 2 * (convolutions + dense), "straight and mirrored"


@pytest.mark.timeout(320)
def test_architectures_are_compared_in_one_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    write_coco(tmp_path / "mine", 30)
    app(["prepare", "--data", "mine"], standalone_mode=False)
    runs = []
    for name in ("mobilenetv2", "small-cnn"):
        configuration = replace(ARCHITECTURES[name], size=32)
        torch.manual_seed(1)
        state = {
            "configuration": {
                f: getattr(configuration, f) for f in configuration.__dataclass_fields__
            },
            "average": built(configuration).state_dict(),
            "samples": 640,
        }
        save(state, tmp_path / name / "best.pt")
        runs.append(name)
    capsys.readouterr()
    app(["compare", *runs, "--data", "mine", "--out", "out/compare.json"], standalone_mode=False)
    rows = json.loads(Path("out/compare.json").read_text())["rows"]
    assert [r["architecture"] for r in rows] == runs
    first, second = rows
    assert first["parameters"] == parameters(built(ARCHITECTURES["mobilenetv2"]))
    assert second["multiplications"] > 0 < second["milliseconds"]
    assert 0 <= first["macro_f1"]["low"] <= first["macro_f1"]["value"] <= 1
    assert Path("out/compare.png").is_file()
    printed = capsys.readouterr().out
    assert "mobilenetv2" in printed
    assert "macro f1" in printed
    assert "on the validation split" in printed
    assert "…" not in printed
    with pytest.raises(MissingRunError, match="each with a name of its own"):
        app(["compare", runs[0], runs[0]], standalone_mode=False)
