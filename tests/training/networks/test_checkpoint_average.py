from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from training.__main__ import app
from training.errors import ConfigurationMismatchError, MissingCheckpointError
from training.networks.checkpoint import CLASSIFIER, load, save
from training.networks.checkpoint_average import average_checkpoints


def write(
    path: Path,
    value: float,
    *,
    shape: int = 3,
    size: int = 96,
    rate: float = CLASSIFIER.rate,
    samples: int = 0,
    samples_before: int = 0,
) -> Path:
    configuration = asdict(replace(CLASSIFIER, size=size, rate=rate))
    weights = {"w": torch.full((shape,), value), "steps": torch.tensor(7)}
    counts = {"samples": samples, "samples_before": samples_before}
    save({"configuration": configuration, "average": weights, **counts}, path)
    return path


def test_the_mean_is_a_run_of_its_own(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{v}.pt", v, samples=int(v)) for v in (1.0, 2.0, 6.0)]
    told = CliRunner().invoke(
        app, ["average", *map(str, files), "--run", str(tmp_path / "runs" / "mean")]
    )
    assert told.exit_code == 0, told.output
    state = load(tmp_path / "runs" / "mean" / "best.pt", CLASSIFIER)
    assert state["average"]["w"].tolist() == [3.0, 3.0, 3.0]
    assert state["average"]["steps"].item() == 7
    assert state["samples"] == 6


def test_the_mean_has_seen_what_the_longest_trained_of_its_models_has(tmp_path: Path) -> None:
    """A run counts its own samples, and those of the run that it began from beside them."""
    first = write(tmp_path / "a.pt", 1.0, samples=500)
    second = write(tmp_path / "b.pt", 2.0, samples=100, samples_before=500)
    average_checkpoints([first, second], tmp_path / "mean")
    state = load(tmp_path / "mean" / "best.pt", CLASSIFIER)
    assert (state["samples"], state["samples_before"]) == (100, 500)


def test_a_run_that_went_on_at_another_rate_is_of_the_same_basin(tmp_path: Path) -> None:
    files = [write(tmp_path / "a.pt", 1.0), write(tmp_path / "b.pt", 2.0, rate=1e-4)]
    assert average_checkpoints(files, tmp_path / "mean") == 4
    state = load(tmp_path / "mean" / "best.pt", CLASSIFIER)
    assert state["average"]["w"].tolist() == [1.5, 1.5, 1.5]


@pytest.mark.parametrize(
    ("other", "said"), [({"size": 64}, "size: 64 there, 96 here"), ({"shape": 4}, "another shape")]
)
def test_what_does_not_fit_together_is_refused(
    tmp_path: Path, other: dict[str, int], said: str
) -> None:
    files = [write(tmp_path / "a.pt", 1.0), write(tmp_path / "b.pt", 2.0, **other)]
    with pytest.raises(ConfigurationMismatchError, match=said):
        average_checkpoints(files, tmp_path / "mean")
    assert not (tmp_path / "mean").exists()


def test_one_checkpoint_is_no_average_and_a_missing_one_is_named(tmp_path: Path) -> None:
    file = write(tmp_path / "a.pt", 1.0)
    with pytest.raises(ConfigurationMismatchError, match="two checkpoints or more"):
        average_checkpoints([file], tmp_path / "mean")
    with pytest.raises(MissingCheckpointError, match=r"gone\.pt"):
        average_checkpoints([file, tmp_path / "gone.pt"], tmp_path / "mean")
