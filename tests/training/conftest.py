"""Models that learnt nothing, as networks and as files; and which tests may fork."""

import os
from pathlib import Path
from typing import NoReturn, TypeVar

import pytest
import torch

from tests.training.untrained import FACES, MASKS
from training.graphs.camera_graph import classifier_graph, detector_graph
from training.graphs.model_files import describe, install
from training.networks.classifier import MaskClassifier
from training.networks.detector import FaceDetector

Network = TypeVar("Network", bound=torch.nn.Module)


@pytest.fixture(scope="session")
def detector() -> FaceDetector:
    torch.manual_seed(0)
    model = FaceDetector(16)
    # Scores all over the range, so that a difference would show.
    for branch in model.quality:
        torch.nn.init.normal_(branch.weight, std=3.0)  # type: ignore[arg-type]
        torch.nn.init.constant_(branch.bias, 0.01)  # type: ignore[arg-type]
    return _with_statistics(model, 64)


@pytest.fixture(scope="session")
def classifier() -> MaskClassifier:
    torch.manual_seed(0)
    return _with_statistics(MaskClassifier(0.25), 48)


def _with_statistics(network: Network, side: int) -> Network:
    """Give the normalisations statistics that are not 0 and 1: those are left out of a graph."""
    with torch.no_grad():
        network.train()(torch.rand(4, 3, side, side) * 2 - 1)
    return network.eval()


@pytest.fixture(scope="session")
def models(
    tmp_path_factory: pytest.TempPathFactory, detector: FaceDetector, classifier: MaskClassifier
) -> Path:
    folder = tmp_path_factory.mktemp("models")
    first, second = detector_graph(detector, 96), classifier_graph(classifier, 48, 1.7)
    describe(first, FACES, 0.0)
    describe(second, MASKS, 0.2)
    install(first, FACES, folder)
    install(second, MASKS, folder)
    return folder


@pytest.fixture(autouse=True)
def forks_are_marked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a test that forks and does not say so: tests share processes with PyTorch's threads."""
    if request.node.get_closest_marker("forks") is None:
        monkeypatch.setattr(os, "fork", _refused)


def _refused() -> NoReturn:
    raise AssertionError("this test forks: mark it with @pytest.mark.forks, or give it workers=0")
