from dataclasses import asdict, replace
from pathlib import Path

import pytest

from training.errors import MissingCheckpointError
from training.measuring.trained_models import open_classifier, open_detector, read_figures
from training.networks.architectures import built
from training.networks.checkpoint import CLASSIFIER, save

SMALL = replace(CLASSIFIER, size=32, width=0.25)


def write_run(folder: Path, **more: int) -> Path:
    state = {"configuration": asdict(SMALL), "average": built(SMALL).state_dict(), "figures": {}}
    save(state | {"samples": 300} | more, folder / "best.pt")
    return folder


def test_the_samples_of_a_run_count_those_of_the_runs_before(tmp_path: Path) -> None:
    trained = open_classifier(write_run(tmp_path, samples_before=2000))
    assert trained.samples_figures == {"samples_trained": 2300, "samples_trained_before": 2000}


def test_a_checkpoint_of_an_earlier_version_is_read_and_has_samples_of_its_own_alone(
    tmp_path: Path,
) -> None:
    trained = open_classifier(write_run(tmp_path))
    assert trained.samples_figures == {"samples_trained": 300}


def test_another_kind_of_model_and_a_run_without_figures_are_named(tmp_path: Path) -> None:
    write_run(tmp_path)
    with pytest.raises(MissingCheckpointError, match="holds a classifier, not a detector"):
        open_detector(tmp_path)
    with pytest.raises(MissingCheckpointError, match="run `python -m training evaluate`"):
        read_figures(tmp_path)
