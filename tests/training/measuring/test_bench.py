import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.training.systems import oracle, records, truth
from tests.training.tiny import write_coco
from training.__main__ import app
from training.errors import EmptyClassError, MissingModelError, UnfitModelError
from training.graphs.inference import Network
from training.graphs.installed import InstalledClassifier, InstalledDetector, pairs_in
from training.measuring.evaluation_set import EvaluationSet, open_evaluation_set
from training.measuring.speed import camera_frame, frames_of_one_face, time_systems
from training.records.record import FaceRecord, Record


def test_ours_have_rows_and_peers_that_are_not_there_say_so(
    tmp_path: Path,
    models: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_coco(tmp_path / "mine", 6)
    (tmp_path / "peers").mkdir()
    out = tmp_path / "bench.json"
    options = ["--rounds", "0", "--threads", "1", "--json", str(out)]
    places = ["--models", str(models), "--peers", str(tmp_path / "peers")]
    app(["bench", "--data", str(tmp_path / "mine"), *places, *options], standalone_mode=False)
    told = json.loads(out.read_text())
    ours, *peers = told["rows"]
    assert ours["name"] == "ours FP16"
    assert ours["face_ap_50"]["faces"] == ours["right_verdict"]["of"] == 12
    assert ours["recall"]["low"] <= ours["recall"]["value"] <= ours["recall"]["high"]
    assert told["problems"]["count"] == 0
    assert told["inference_precision"] == "f32"
    assert len(peers) == 8
    assert all("is not there" in row["problem"] for row in peers)
    assert "AIZOO SSD260" in capsys.readouterr().out


def test_a_frame_is_found_and_everyone_is_timed_on_it(tmp_path: Path) -> None:
    rows, pictures = records(1)
    face = rows[0].faces[0]
    cv2.imwrite(str(tmp_path / "0.png"), pictures[0])
    record = Record(
        "mine", str(tmp_path / "0.png"), "0", "validation", 160, 120, True, None, (face,)
    )
    frame = camera_frame(pictures[0])
    assert frame.shape == (480, 640, 3)
    large = FaceRecord(tuple(4 * v for v in face.box), face.label)  # type: ignore[arg-type]
    seen = truth(Record("", "", "", "", 640, 480, True, None, (large,)))
    ours = oracle({frame.tobytes(): seen})
    frames = frames_of_one_face(EvaluationSet("mine", [record]), [ours, oracle({})])
    assert len(frames) == 8
    assert np.array_equal(frames[0], frame)
    (latency,) = time_systems([ours], frames, rounds=2)
    assert latency.frames == 10
    assert 0 < latency.median <= latency.p95
    with pytest.raises(EmptyClassError, match="add a portrait"):
        frames_of_one_face(EvaluationSet("mine", [record]), [oracle({})])


def test_installed_models_keep_the_edges_rules(models: Path) -> None:
    (pair,) = pairs_in(models)
    judge = InstalledClassifier(pair.classifier, threads=1)
    assert (judge.threshold, judge.margin, judge.smallest) == (0.6, 0.2, 24)
    row = np.array([0.55, 0.05, 0.4], np.float32)
    assert judge.label(row) == 2
    assert judge.label(np.array([0.6, 0.4, 0], np.float32)) == 0
    picture = np.full((120, 160, 3), 90, np.uint8)
    boxes = np.array([[10, 10, 60, 60], [0, 0, 23, 40]], np.float32)
    labels, _ = judge.judge(picture, boxes)
    assert labels[0] in (0, 1, 2)
    assert labels[1] == -2


def test_a_model_of_another_kind_is_named(models: Path, tmp_path: Path) -> None:
    (pair,) = pairs_in(models)
    with pytest.raises(UnfitModelError, match="says that it is a mask_classifier, not a face_det"):
        InstalledDetector(pair.classifier)
    (tmp_path / "broken.xml").write_text("<net")
    with pytest.raises(UnfitModelError, match=r"broken\.xml cannot be used"):
        Network(tmp_path / "broken.xml")
    with pytest.raises(MissingModelError, match="name the folder of the installed models"):
        pairs_in(tmp_path)
    (tmp_path / "manifest.json").write_text('{"models": []}')
    with pytest.raises(MissingModelError, match="does not name a detector and a classifier"):
        pairs_in(tmp_path)
    (tmp_path / "manifest.json").write_text("[")
    with pytest.raises(UnfitModelError, match="is no manifest"):
        pairs_in(tmp_path)


def test_an_input_of_another_shape_is_named(models: Path) -> None:
    network = Network(pairs_in(models)[0].detector, threads=1)
    with pytest.raises(UnfitModelError, match=r"cannot take an input of shape \[1, 2\]"):
        network.expect((1, 2))
    with pytest.raises(UnfitModelError, match=r"failed on an input of shape \(1, 2\)"):
        network.infer(np.zeros((1, 2), np.uint8))


def test_pictures_without_boxes_are_no_ground_for_detectors(tmp_path: Path) -> None:
    (tmp_path / "with_mask").mkdir()
    cv2.imwrite(str(tmp_path / "with_mask" / "0.png"), np.zeros((40, 40, 3), np.uint8))
    dataset = open_evaluation_set(tmp_path, tmp_path)
    with pytest.raises(EmptyClassError, match="name a folder in COCO, VOC or YOLO"):
        dataset.boxed()
