"""The mask classifier looks both ways."""

import torch

from training.classifier import MaskClassifier


def test_a_mirror_image_is_judged_alike() -> None:
    torch.manual_seed(5)
    model = MaskClassifier(0.25).eval()
    crops = torch.randn(3, 3, 64, 64)
    with torch.no_grad():
        straight, mirrored = model.both_ways(crops), model.both_ways(crops.flip(3))
        assert not torch.allclose(model(crops), model(crops.flip(3)), atol=1e-6)
    assert straight.shape == (3, 3)
    assert torch.allclose(straight, mirrored, atol=1e-6)
