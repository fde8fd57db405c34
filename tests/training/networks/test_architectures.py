from dataclasses import replace

import pytest
import torch

from training.errors import UnknownArchitectureError
from training.networks.architectures import ARCHITECTURES, built, configuration_of


@pytest.mark.parametrize(
    ("name", "size", "parameters"),
    [
        ("ours", 96, 984_915),
        # torchvision's mobilenet_v2 has 2,223,872 parameters without its classifier.
        ("mobilenetv2", 96, 2_223_872 + 1280 * 3 + 3),
        ("small-cnn", 96, 831_171),
    ],
)
def test_each_architecture_judges_crops_and_is_as_large_as_its_source_says(
    name: str, size: int, parameters: int
) -> None:
    model = built(configuration_of(name)).eval()
    assert sum(p.numel() for p in model.parameters()) == parameters
    crops = torch.randn(2, 3, size, size)
    with torch.no_grad():
        assert model(crops).shape == (2, 3)
        assert torch.allclose(model.both_ways(crops), model.both_ways(crops.flip(3)), atol=1e-5)


def test_the_default_is_ours_and_an_unknown_one_is_named() -> None:
    assert ARCHITECTURES["ours"].architecture == "ours"
    with pytest.raises(UnknownArchitectureError, match="'vgg' is unknown; take one of ours"):
        built(replace(ARCHITECTURES["ours"], architecture="vgg"))
