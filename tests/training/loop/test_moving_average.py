import copy
import math

import torch
from torch import nn

from training.loop.moving_average import moving_average, restore_average


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))


@torch.no_grad()
def changed(model: nn.Module, generator: torch.Generator) -> None:
    """Another set of weights, and statistics of another batch."""
    for weight in model.parameters():
        weight.add_(torch.randn(weight.shape, generator=generator), alpha=0.01)
    model.train()(torch.randn(2, 3, 8, 8, generator=generator))


def test_the_average_is_that_of_the_formula() -> None:
    """With a decay of 0.9995 (1 - exp(-step / 500)), to one part in 100,000."""
    torch.manual_seed(2)
    generator = torch.Generator().manual_seed(3)
    model = network()
    average = moving_average(model)
    expected = {k: v.double() for k, v in copy.deepcopy(model.state_dict()).items()}
    for step in range(1, 1201):
        changed(model, generator)
        average.update_parameters(model)
        decay = 0.9995 * (1 - math.exp(-step / 500))
        for name, weight in model.state_dict().items():
            floating = weight.is_floating_point()
            kept = decay if floating else 0.0
            expected[name] = kept * expected[name] + (1 - kept) * weight.double()
        if step in (1, 2, 1200):
            for name, weight in average.module.state_dict().items():
                torch.testing.assert_close(weight.double(), expected[name], rtol=1e-5, atol=1e-5)
    assert int(average.module.state_dict()["1.num_batches_tracked"]) == 1200


def test_a_restored_average_goes_on_as_if_it_had_not_stopped() -> None:
    torch.manual_seed(2)
    generator = torch.Generator().manual_seed(3)
    model = network()
    whole = moving_average(model)
    for _ in range(5):
        changed(model, generator)
        whole.update_parameters(model)
    resumed = moving_average(network())
    restore_average(resumed, copy.deepcopy(whole.module.state_dict()), steps=5)
    changed(model, generator)
    for average in (whole, resumed):
        average.update_parameters(model)
    for name, weight in whole.module.state_dict().items():
        assert torch.equal(resumed.module.state_dict()[name], weight)


def test_the_average_is_for_evaluation_and_learns_nothing_itself() -> None:
    average = moving_average(network().train())
    assert not average.module.training
    assert not any(weight.requires_grad for weight in average.parameters())
