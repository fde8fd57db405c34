"""A network that is read back from an exported model answers as the exported model does."""

from pathlib import Path

import numpy as np
import openvino
import pytest
import torch

from tests.training.untrained import MASKS
from training.errors import MissingModelError, UnfitModelError
from training.graphs.camera_graph import (
    classifier_graph,
    reference_detection,
    reference_probabilities,
)
from training.graphs.folded_weights import exported_file, read_back
from training.graphs.model_files import describe, install
from training.networks.architectures import MobileNetV2
from training.networks.classifier import MaskClassifier
from training.networks.detector import FaceDetector

SHIPPED = Path(__file__).parents[3] / "edge" / "models"


def pictures(count: int, height: int, width: int) -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    return [rng.integers(0, 256, (height, width, 3), np.uint8) for _ in range(count)]


def answers(path: Path, picture: np.ndarray) -> list[np.ndarray]:
    core = openvino.Core()
    model = core.read_model(path)
    model.reshape([1, *picture.shape])
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    said = compiled(picture[None])
    return [np.asarray(said[i][0]) for i in range(len(compiled.outputs))]


@pytest.mark.parametrize(("role", "classes"), [("classifier", 3), ("gender", 2)])
def test_a_shipped_classifier_is_read_back(role: str, classes: int) -> None:
    path, row = exported_file(SHIPPED, role)
    network = MaskClassifier(1.0, classes)
    read_back(path, network)
    for crop in pictures(4, 96, 96):
        expected = reference_probabilities(network, crop, 96, row["figures"]["temperature"])
        np.testing.assert_allclose(answers(path, crop)[0], expected, atol=1e-4)


def test_the_shipped_detector_is_read_back() -> None:
    path, _ = exported_file(SHIPPED, "detector")
    network = FaceDetector(48)
    read_back(path, network)
    for picture in pictures(2, 264, 352):
        boxes, scores = answers(path, picture)
        expected_boxes, expected_scores = reference_detection(network, picture, 352)
        np.testing.assert_allclose(scores, expected_scores, atol=1e-4)
        np.testing.assert_allclose(boxes, expected_boxes, atol=0.05)  # of 352 pixels


def test_depthwise_convolutions_are_read_back(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = MobileNetV2()
    network.train()(torch.rand(8, 3, 48, 48))  # statistics that are not 0 and 1
    network.eval()
    graph = classifier_graph(network, 48, 1.7)
    describe(graph, MASKS, 0.2)
    install(graph, MASKS, tmp_path)
    again = MobileNetV2()
    read_back(tmp_path / "mask-classifier.xml", again)
    for crop in pictures(2, 48, 48):
        expected = reference_probabilities(network, crop, 48, 1.7)
        np.testing.assert_allclose(
            reference_probabilities(again, crop, 48, 1.7), expected, atol=1e-3
        )


@pytest.mark.parametrize(
    ("network", "file", "said"),
    [
        (MaskClassifier(0.5), "mask-classifier.xml", r"features\.4 has weights of shape"),
        (MaskClassifier(1.0, 2), "mask-classifier.xml", r"head\.1 has weights of shape"),
        (MobileNetV2(), "mask-classifier.xml", "another"),
        (MaskClassifier(), "mask-classifier-int8.xml", "not in 16 or 32 bits"),
        (MaskClassifier(), "face-detector.xml", r"has no features\.1"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(
    network: torch.nn.Module, file: str, said: str
) -> None:
    with pytest.raises(UnfitModelError, match=said):
        read_back(SHIPPED / file, network)


def test_a_deeper_network_keeps_what_the_model_lacks_and_answers_alike() -> None:
    path, _ = exported_file(SHIPPED, "detector")
    flat, deep = FaceDetector(48), FaceDetector(48, 1)
    read_back(path, flat)
    read_back(path, deep)
    batch = torch.rand(1, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        for expected, given in zip(flat.eval()(batch), deep.eval()(batch), strict=True):
            torch.testing.assert_close(given, expected, atol=1e-4, rtol=1e-4)


def test_a_folder_without_such_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingModelError, match="names no classifier in 16 bits"):
        exported_file(tmp_path, "classifier")
    with pytest.raises(MissingModelError, match="is not there"):
        read_back(tmp_path / "none.xml", MaskClassifier())
