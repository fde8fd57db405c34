import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.training.systems import oracle, records, truth
from tests.training.tiny import write_classes, write_coco
from training.__main__ import app
from training.errors import EmptyClassError
from training.measuring.classification_report import Classification
from training.measuring.conditions import by_condition
from training.measuring.evaluate_installed import evaluate_installed_pipeline
from training.measuring.evaluation_set import EvaluationSet
from training.measuring.intervals import Rate
from training.measuring.matching import Outcome
from training.records.record import LABELS


def test_a_confusion_says_accuracy_precision_recall_and_f1() -> None:
    counted = Classification.of([0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 0])
    assert counted.accuracy == Rate(4, 6)
    assert counted.recall(0) == Rate(3, 4)
    assert counted.precision(1) == Rate(1, 2)
    told = json.loads(json.dumps(counted.as_json()))
    assert told["classes"]["with_mask"]["f1"]["value"] == pytest.approx(0.75)
    assert told["macro"]["f1"]["value"] == pytest.approx((0.75 + 0.5) / 2)
    assert told["macro"]["f1"]["low"] < told["macro"]["f1"]["value"] < told["macro"]["f1"]["high"]
    assert "incorrect_mask" not in told["classes"]
    assert told["confusion"]["rows_truth"] == [[3, 1, 0], [1, 1, 0], [0, 0, 0]]


def test_faces_are_parted_by_condition_and_each_is_in_one_part() -> None:
    rng = np.random.default_rng(0)
    faces = [
        Outcome(n % 3, n % 2, 0.5, 33 + 5 * n, float(rng.uniform(1, 900)), 12.0 * n, "ab"[n % 2])
        for n in range(20)
    ]
    parts = by_condition(faces)
    assert set(parts) == {"face_size_px", "sharpness", "brightness", "source"}
    for rows in parts.values():
        assert sum(int(str(row["faces"])) for row in rows.values()) == 20
    assert list(parts["source"]) == ["a", "b"]


@pytest.fixture
def dataset(tmp_path: Path) -> EvaluationSet:
    rows, pictures = records(6)
    kept = []
    for record, picture in zip(rows, pictures, strict=True):
        path = tmp_path / record.path
        cv2.imwrite(str(path), picture)
        kept.append(replace(record, path=str(path)))
    return EvaluationSet("mine", kept)


def test_a_system_that_is_never_wrong_gets_full_marks_and_pictures(
    dataset: EvaluationSet, tmp_path: Path
) -> None:
    seen = {p.tobytes(): truth(r) for r, p in dataset.pictures("reading")}
    done = evaluate_installed_pipeline(dataset, oracle(seen))
    told = json.loads(json.dumps(done.as_json()))
    assert told["face_ap_50"]["value"] == 1.0
    assert told["right_verdict"]["count"] == told["faces"] == 12
    assert told["roc_auc"] == 1.0
    assert told["warnings"]["count"] == 0
    drawn = {p.name for p in done.draw(tmp_path / "drawn")}
    assert drawn == {"confusion.png", "roc.png", "pr.png", "faces-pr.png"}
    assert all((tmp_path / "drawn" / name).stat().st_size > 5000 for name in drawn)


def test_a_system_that_finds_half_is_wrong_for_the_rest(dataset: EvaluationSet) -> None:
    seen = {p.tobytes(): truth(r)[:1] for r, p in dataset.pictures("reading")}
    told = evaluate_installed_pipeline(dataset, oracle(seen)).as_json()
    assert told["right_verdict"] == Rate(6, 12).as_json()
    assert told["missed"] == Rate(6, 12).as_json()
    assert told["accuracy"] == Rate(6, 6).as_json()


def test_no_face_large_enough_is_named_with_its_mend(dataset: EvaluationSet) -> None:
    with pytest.raises(EmptyClassError, match="lower --least-side"):
        evaluate_installed_pipeline(dataset, oracle({}), least=500)


def test_the_classifier_is_measured_on_class_folders_and_nothing_is_dropped_silently(
    tmp_path: Path,
    models: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = tmp_path / "data"
    write_classes(data, 4, ("with_mask", "without_mask"))
    (data / "incorrect_mask").mkdir()
    (data / "sunglasses").mkdir()
    (data / "with_mask" / "broken.jpg").write_bytes(b"no picture")
    cv2.imwrite(str(data / "with_mask" / "tiny.png"), np.zeros((20, 20, 3), np.uint8))
    cv2.imwrite(str(data / "sunglasses" / "0.png"), np.zeros((60, 60, 3), np.uint8))
    out = tmp_path / "figures.json"
    options = ["--pictures", str(tmp_path / "drawn"), "--json", str(out)]
    app(
        ["evaluate", "classifier", "--data", str(data), "--models", str(models), *options],
        standalone_mode=False,
    )
    told = json.loads(out.read_text())
    assert json.loads(capsys.readouterr().out) == told
    assert told["faces"] == sum(map(sum, told["confusion"]["rows_truth"])) == 8
    assert told["left_out"] == {"smaller than 32 px": 1}
    assert told["warnings"]["lines"] == [
        "no face is incorrect_mask: false admits of wrongly worn masks cannot be measured; add some"
    ]
    lines = "\n".join(told["problems"]["lines"])
    assert told["problems"]["count"] == 3
    assert "broken.jpg: is not a readable picture" in lines
    assert "label 'sunglasses' is unknown: 1 face in" in lines
    assert "incorrect_mask: the class folder holds no picture; fill or remove the folder" in lines
    assert {"confusion.png", "roc.png", "pr.png", "mistakes.html"} == {
        p.name for p in (tmp_path / "drawn").iterdir()
    }
    page = (tmp_path / "drawn/mistakes.html").read_text()
    wrong = told["right_verdict"]["of"] - told["right_verdict"]["count"]
    assert f"{wrong} of 8 faces got a wrong verdict" in page
    assert page.count("<li>") == wrong


def test_the_pipeline_is_measured_on_boxes_and_says_what_is_wrong_with_them(
    tmp_path: Path,
    models: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = write_coco(tmp_path / "mine", 4)
    content = json.loads(file.read_text())
    content["annotations"][0]["bbox"] = [500, 500, 40, 40]
    content["categories"].append({"id": 9, "name": "helmet"})
    content["annotations"][1]["category_id"] = 9
    file.write_text(json.dumps(content))
    (tmp_path / "mine/images/003.png").write_bytes(b"no picture")
    options = ["--models", str(models), "--pictures", str(tmp_path / "drawn")]
    app(["evaluate", "pipeline", "--data", str(tmp_path / "mine"), *options], standalone_mode=False)
    told = json.loads(capsys.readouterr().out)
    assert (told["pictures"], told["faces"]) == (3, 4)
    assert told["right_verdict"]["of"] == 4
    assert told["face_ap_50"]["faces"] == 4
    assert told["left_out"]["to be ignored"] == 1
    lines = "\n".join(told["problems"]["lines"])
    assert "lies outside the picture" in lines
    assert "label 'helmet' is unknown" in lines
    assert "003.png" in lines
    assert set(told["classes"]) <= set(LABELS)
