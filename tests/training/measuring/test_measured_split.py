"""Figures are taken on the test split if there is one, and thresholds are chosen on validation."""

import json
from pathlib import Path

from rich.console import Console

from tests.training.measuring.test_trained_models import write_run
from tests.training.tiny import write_classes
from training.commands.options import own_labels
from training.measuring.evaluate_classifier import evaluate_classifier
from training.measuring.evaluation_set import boxed_by_people, open_evaluation_set
from training.measuring.validation_dataset import validation_dataset
from training.preparing.prepare import Wishes, prepare
from training.records.record import read_records

QUIET = Console(quiet=True)


def test_a_run_is_measured_on_test_pictures_and_its_threshold_is_chosen_on_others(
    tmp_path: Path,
) -> None:
    write_classes(tmp_path / "data", 20)
    run, prepared = write_run(tmp_path / "run"), tmp_path / "prepared"

    prepare(tmp_path / "data", prepared, Wishes(), QUIET)
    same = evaluate_classifier(run, prepared, None, None)
    assert same["measured_on"] == same["chosen_on"] == "validation split"
    assert "the same pictures" in str(same["caveat"])

    prepare(tmp_path / "data", prepared, Wishes(test_share=0.3), QUIET)
    splits = [r.split for r in read_records(prepared / "records.jsonl")]
    locked = evaluate_classifier(run, prepared, None, None)
    assert locked["faces"] == splits.count("test") != splits.count("validation")
    assert (locked["measured_on"], locked["chosen_on"]) == ("test split", "validation split")
    assert "caveat" not in locked
    assert json.loads((run / "figures.json").read_text())["measured_on"] == "test split"


def test_a_folder_with_names_of_its_own_is_measured_on_with_what_they_stand_for(
    tmp_path: Path,
) -> None:
    write_classes(tmp_path / "own", 3, ("with_mask", "without_mask"))
    (tmp_path / "own/with_mask").rename(tmp_path / "own/con mascarilla")
    labels = own_labels(["con mascarilla=with_mask"])
    opened = open_evaluation_set(tmp_path, tmp_path / "own", labels=labels)
    loaded = validation_dataset(tmp_path, tmp_path / "own", None, labels)
    for records in (opened.records, loaded.records):
        assert [r.crop for r in records].count("with_mask") == 3


def test_a_test_split_without_boxes_leaves_boxed_figures_on_validation(tmp_path: Path) -> None:
    write_classes(tmp_path / "data", 20)
    prepare(tmp_path / "data", tmp_path / "prepared", Wishes(test_share=0.3), QUIET)
    labelled = open_evaluation_set(tmp_path / "prepared", None)
    assert {r.split for r in labelled.records} == {"test"}
    assert labelled.name.startswith("test split of")
    boxed = open_evaluation_set(tmp_path / "prepared", None, boxed_by_people)
    assert {r.split for r in boxed.records} == {"validation"}
