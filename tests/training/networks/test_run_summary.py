from pathlib import Path

import pytest

from training.errors import MissingRunError
from training.networks.run_summary import (
    NOTHING,
    RunSummary,
    read_summary,
    still_improving,
    summarise,
    write_summary,
)

FACES = {"with_mask": 200, "without_mask": 200, "incorrect_mask": 0}


def summary(
    samples: int, before: int = 0, goals: tuple[float, ...] = (0.9, 0.9, 0.9)
) -> RunSummary:
    return summarise(
        kind="classifier",
        began_from="shipped" if before else NOTHING,
        training_faces=FACES,
        drawn_faces=200,
        training_pictures=400,
        samples=samples,
        samples_before=before,
        goals=goals,
    )


def test_the_summary_comes_back_from_its_file(tmp_path: Path) -> None:
    written = summary(20_000)
    write_summary(written, tmp_path)
    read = read_summary(tmp_path)
    assert read == written
    assert read is not None
    assert read.missing_classes == ("incorrect_mask",)
    assert read.passes == 50


def test_a_run_of_an_earlier_version_has_no_summary_and_a_damaged_one_is_named(
    tmp_path: Path,
) -> None:
    assert read_summary(tmp_path) is None
    (tmp_path / "summary.json").write_text("{}")
    with pytest.raises(MissingRunError, match=r"summary\.json is no summary of a run"):
        read_summary(tmp_path)


def test_few_samples_are_said_from_nothing_and_not_from_a_finished_model() -> None:
    (advice,) = summary(20_000).advice
    assert "seen 20000 samples" in advice
    assert "--begin-from shipped" in advice
    assert summary(20_000, before=600_000).saw_enough


def test_few_passes_over_the_data_are_said() -> None:
    assert any("each face was seen 1.0 times" in text for text in summary(400).advice)


def test_a_goal_that_still_rises_is_said() -> None:
    rising = summary(200_000, goals=(0.5, 0.7, 0.8))
    assert rising.still_improving
    assert any("still improving" in text for text in rising.advice)
    assert summary(200_000, goals=(0.8, 0.9, 0.902)).saw_enough


def test_two_validations_cannot_tell() -> None:
    assert still_improving([0.1, 0.9]) is None
