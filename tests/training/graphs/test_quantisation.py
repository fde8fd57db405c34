from pathlib import Path

import numpy as np
import openvino
import pytest
import torch
from torch import nn

from training.graphs.camera_graph import (
    classifier_graph,
    classifier_network,
    reference_probabilities,
)
from training.graphs.quantisation import Way, ends, planes, quantised
from training.networks.classifier import CropClassifier

SIZE = 32


class Tiny(CropClassifier):
    """Three convolutions and a dense layer: as little as has a first, a last and a between."""

    def __init__(self) -> None:
        super().__init__()
        layers = []
        for inside, outside in ((3, 8), (8, 8), (8, 8)):
            layers += [nn.Conv2d(inside, outside, 3, 2, 1), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(8, 3)

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.features(crops).mean((2, 3)))
        return logits


@pytest.fixture(scope="module")
def model() -> CropClassifier:
    torch.manual_seed(0)
    return Tiny().eval()


@pytest.fixture(scope="module")
def samples() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [planes(list(rng.integers(0, 256, (2, SIZE, SIZE, 3), np.uint8))) for _ in range(4)]


def rounded(network: openvino.Model) -> set[str]:
    """Names of the layers with weights whose input is quantised."""
    return {
        op.get_friendly_name()
        for op in network.get_ordered_ops()
        if op.get_type_name() in {"Convolution", "GroupConvolution", "MatMul"}
        and op.input_value(0).get_node().get_type_name() == "FakeQuantize"
    }


def test_the_first_way_that_is_good_enough_is_taken(
    model: CropClassifier, samples: list[np.ndarray], tmp_path: Path
) -> None:
    made = quantised(lambda: classifier_network(model, SIZE), samples, lambda _: 0.9, 0.8)
    assert made.way is Way.SYMMETRIC
    assert made.figure == 0.9
    assert len(rounded(made.network)) == 4
    # In its graph it still says much the same, and softmax kept its precision.
    graph = classifier_graph(model, SIZE, 1.3, made.network)
    openvino.save_model(graph, tmp_path / "eight.xml")
    crop = np.random.default_rng(1).integers(0, 256, (1, 50, 40, 3), np.uint8)
    core = openvino.Core()
    compiled = core.compile_model(tmp_path / "eight.xml", "CPU")
    rows = [compiled([crop])["probabilities"]]
    expected = reference_probabilities(model, crop[0], SIZE, 1.3)
    assert np.abs(rows[0][0] - expected).max() < 0.1
    assert abs(float(rows[0].sum()) - 1) < 1e-3


def test_where_none_is_good_enough_the_best_is_kept(
    model: CropClassifier, samples: list[np.ndarray]
) -> None:
    first_and_last = set(ends(classifier_network(model, SIZE)))
    assert len(first_and_last) == 2

    def figure(network: openvino.Model) -> float:
        # This one likes a network the better the more of it is left alone.
        return 1 / (1 + len(rounded(network)))

    made = quantised(lambda: classifier_network(model, SIZE), samples, figure, 1.0)
    assert made.way is Way.ENDS_KEPT
    assert not rounded(made.network) & first_and_last
    assert rounded(made.network)


def test_corrected_by_measurement_leaves_the_same_layers_alone(
    model: CropClassifier, samples: list[np.ndarray]
) -> None:
    def network() -> openvino.Model:
        return classifier_network(model, SIZE)

    kept, corrected = (
        quantised(network, samples, lambda _: 0.9, 0.8, ways=[way])
        for way in (Way.ENDS_KEPT, Way.CORRECTED)
    )
    assert corrected.way is Way.CORRECTED
    assert rounded(corrected.network) == rounded(kept.network)
