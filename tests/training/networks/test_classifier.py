"""The mask classifier looks both ways."""

import torch
from torch import nn

from training.networks.classifier import MaskClassifier


def test_a_mirror_image_is_judged_alike() -> None:
    torch.manual_seed(5)
    model = MaskClassifier(0.25)
    crops = torch.randn(8, 3, 64, 64)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 1.0  # an untrained net lets no signal through otherwise
    model(crops)
    model.eval()
    with torch.no_grad():
        straight, mirrored = model.both_ways(crops), model.both_ways(crops.flip(3))
        assert not torch.allclose(model(crops), model(crops.flip(3)), atol=1e-3)
    assert straight.shape == (8, 3)
    assert torch.allclose(straight, mirrored, atol=1e-5)
