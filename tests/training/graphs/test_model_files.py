import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import openvino
import pytest
import torch

from tests.training.untrained import FACES, MASKS
from training.boxes.blending import overlaps
from training.boxes.resizing import letterboxed
from training.errors import ExportError
from training.graphs.camera_graph import detector_graph, reference_detection
from training.graphs.installed import InstalledDetector
from training.graphs.model_files import (
    describe,
    install,
    replace_models,
    rows_of,
    sample_pictures,
    verify_classifier,
    verify_detector,
)
from training.networks.classifier import MaskClassifier
from training.networks.detection import detect
from training.networks.detector import FaceDetector


def test_the_detector_takes_any_size_and_answers_in_its_pixels(models: Path) -> None:
    model = openvino.Core().read_model(models / "face-detector.xml")
    assert [i.any_name for i in model.inputs] == ["image"]
    assert model.inputs[0].element_type == openvino.Type.u8
    assert str(model.inputs[0].partial_shape) == "[1,?,?,3]"
    compiled = openvino.Core().compile_model(model, "CPU")
    # 96 wide and 72 high, filled up to 96; upright; and 96 wide and 54 high, filled up to 64.
    cells = {(480, 640): (12, 12), (500, 333): (12, 8), (61, 97): (8, 12), (360, 640): (8, 12)}
    for (height, width), (rows, columns) in cells.items():
        found = compiled([np.zeros((1, height, width, 3), np.uint8)])
        anchors = sum(rows * columns // 4**level for level in range(3))
        assert found["boxes"].shape == (1, anchors, 4)
        assert found["scores"].shape == found["boxes"].shape[:2]
        assert found["boxes"][..., 0::2].max() <= width
        assert found["boxes"][..., 1::2].max() <= height
        assert found["boxes"].min() >= 0
        assert found["scores"].min() >= 0
        assert found["scores"].max() <= 1


def test_the_classifier_takes_several_crops_and_its_rows_sum_to_one(models: Path) -> None:
    compiled = openvino.Core().compile_model(models / "mask-classifier.xml", "CPU")
    crops = np.random.default_rng(0).integers(0, 256, (5, 70, 33, 3), np.uint8)
    rows = compiled([crops])["probabilities"]
    assert rows.shape == (5, 3)
    assert np.allclose(rows.sum(1), 1, atol=1e-5)


def test_exported_and_trained_agree(
    models: Path, detector: FaceDetector, classifier: MaskClassifier
) -> None:
    for picture in sample_pictures():
        assert verify_detector(detector, 96, models, "face-detector", picture) < 0.03
    file = models / "mask-classifier.xml"
    assert verify_classifier(classifier, 48, 1.7, file, sample_pictures()) < 0.03


def test_a_picture_that_fits_is_not_resized(models: Path, detector: FaceDetector) -> None:
    """With its shape fixed, nothing is left of the resizing: the longer side is right already."""
    picture = np.random.default_rng(3).integers(0, 256, (64, 96, 3), np.uint8)
    graph = openvino.Core().read_model(models / "face-detector.xml")
    graph.reshape([1, *picture.shape])
    compiled = openvino.Core().compile_model(graph, "CPU")
    left = [op.get_friendly_name() for op in compiled.get_runtime_model().get_ops()]
    assert not any("If" in name or "Pad" in name for name in left)
    boxes, scores = reference_detection(detector, picture, 96)
    found = compiled([picture[None]])
    assert np.abs(found["scores"][0] - scores).max() < 0.03
    assert np.abs(found["boxes"][0] - boxes)[scores > 0.3].max() < 2


def fed_to_network(graph: openvino.Model) -> openvino.CompiledModel:
    """The graph up to what it feeds its network, a normalised picture."""
    (normalised,) = (
        op.output(0)
        for op in graph.get_ordered_ops()
        if op.get_type_name() == "Divide" and op.output(0).partial_shape.rank.get_length() == 4
    )
    inside = openvino.Model([openvino.opset13.result(normalised)], graph.get_parameters(), "inside")
    return openvino.Core().compile_model(inside, "CPU")


def test_evaluate_shows_the_model_what_the_edge_does(models: Path, detector: FaceDetector) -> None:
    """Pictures of several shapes, small and large, high and wide: the tensor and the faces."""
    shown: list[np.ndarray] = []
    hook = detector.register_forward_pre_hook(lambda _, given: shown.extend(given[0].numpy()))
    pictures = [*sample_pictures(), np.ascontiguousarray(sample_pictures()[0].transpose(1, 0, 2))]
    with hook:
        # Suppression is one of many near ties here: without it, the same boxes are there.
        found = detect(detector, pictures, 96, least=0.25, overlap=1.0, blend=None)
    inside = fed_to_network(openvino.Core().read_model(models / "face-detector.xml"))
    edge = InstalledDetector(models / "face-detector.xml")
    # Two that are filled up to one shape go together.
    assert sorted(s.shape[1:] for s in shown) == [(64, 96), (96, 64), (96, 96), (96, 96)]
    for picture, faces in zip(pictures, found, strict=True):
        fed = inside([letterboxed(picture, 96, 32)[0][None]])[0][0]
        (tensor,) = (s for s in shown if s.shape == fed.shape and np.abs(s - fed).max() < 1e-5)
        assert np.ptp(tensor) > 1
        theirs = edge.find(picture, 0.3).faces
        assert theirs.scores[0] == pytest.approx(faces.scores[0], abs=0.01)
        # What the border cuts to a sliver may be cut a hundredth of a pixel elsewhere.
        large = theirs.boxes[(theirs.boxes[:, 2:] - theirs.boxes[:, :2]).min(1) > 5]
        assert len(large) > 3
        assert overlaps(large, faces.boxes).max(1).min() > 0.9
        assert faces.boxes.min() >= 0
        assert (faces.boxes <= np.tile(picture.shape[1::-1], 2)).all()


def test_a_model_that_says_something_else_is_refused(
    models: Path, detector: FaceDetector, classifier: MaskClassifier
) -> None:
    torch.manual_seed(1)
    with pytest.raises(ExportError, match="IR and torch differ"):
        verify_detector(FaceDetector(16), 96, models, "face-detector", sample_pictures()[0])
    with pytest.raises(ExportError, match="IR and torch differ"):
        # Probabilities of a hot model are flatter than those of the one that was exported.
        verify_classifier(classifier, 48, 0.001, models / "mask-classifier.xml", sample_pictures())


def test_the_model_says_what_it_is(models: Path) -> None:
    core = openvino.Core()
    face = core.read_model(models / "face-detector.xml")
    mask = core.read_model(models / "mask-classifier.xml")

    def info(model: openvino.Model, key: str) -> str:
        return str(model.get_rt_info(["model_info", key]).astype(str))

    assert info(face, "model_type") == "face_detector"
    assert info(face, "input_size") == "96 96"
    assert info(face, "iou_threshold") == "0.45"
    assert info(face, "certain_threshold") == "0.6"
    assert info(face, "labels") == "face"
    assert (info(face, "resize"), info(face, "size_multiple")) == ("fit", "32")
    assert info(mask, "resize") == "stretch"
    assert info(mask, "labels") == "with_mask without_mask incorrect_mask"
    assert info(mask, "color_order") == "BGR"
    assert info(mask, "confidence_threshold") == "0.6"
    assert info(mask, "crop_margin") == "0.2"
    assert info(mask, "min_face_size") == "24"


def test_the_manifest_names_every_file_by_its_hash(models: Path) -> None:
    manifest = json.loads((models / "manifest.json").read_text())
    assert manifest["schema"] == 1
    assert [m["role"] for m in manifest["models"]] == ["detector", "classifier"]
    for model in manifest["models"]:
        assert model["precision"] == "FP16"
        for name, digest in model["files"].items():
            assert sha256((models / name).read_bytes()).hexdigest() == digest
    files = {n for m in manifest["models"] for n in m["files"]}
    assert {p.name for p in models.iterdir()} == files | {"manifest.json"}
    assert len(files) == 4


def test_a_second_precision_stands_beside_the_first_and_goes_with_it(
    tmp_path: Path, detector: FaceDetector
) -> None:
    made = detector_graph(detector, 96)
    describe(made, FACES, 0.0)

    def graph() -> openvino.Model:
        return made.clone()

    folder, trial = tmp_path / "models", tmp_path / "models/trial"
    gender = replace(MASKS, name="gender-head", role="gender")
    install(graph(), gender, folder)  # whatever it holds: another role
    install(graph(), FACES, folder)
    install(graph(), replace(FACES, precision="INT8"), folder)
    rows = rows_of(folder)
    assert [(m["role"], m["precision"]) for m in rows] == [
        ("detector", "FP16"),
        ("detector", "INT8"),
        ("gender", "FP16"),
    ]
    assert set(rows[1]["files"]) == {"face-detector-int8.xml", "face-detector-int8.bin"}
    # A new detector makes the 8 bits of the old one worthless.
    install(graph(), FACES, trial)
    replace_models(trial, folder)
    assert [(m["role"], m["precision"]) for m in rows_of(folder)] == [
        ("detector", "FP16"),
        ("gender", "FP16"),
    ]
    named = {n for m in rows_of(folder) for n in m["files"]}
    assert {p.name for p in folder.iterdir()} == named | {"manifest.json"}
