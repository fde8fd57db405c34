import pytest
import torch
from torch.nn import functional

from training.networks.distillation import distillation_loss


def test_equal_answers_cost_nothing_and_others_cost_more_the_further_they_are() -> None:
    taught = torch.tensor([[2.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    assert distillation_loss(taught + 5, taught).item() == pytest.approx(0, abs=1e-6)
    near, far = taught + torch.tensor([0.5, 0, 0]), taught + torch.tensor([3.0, 0, 0])
    assert 0 < distillation_loss(near, taught) < distillation_loss(far, taught)


def test_the_loss_is_the_divergence_at_temperature_two() -> None:
    logits, taught = torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[0.0, 0.0, 2.0]])
    p, q = functional.softmax(taught / 2, 1), functional.softmax(logits / 2, 1)
    expected = 4 * (p * (p / q).log()).sum()
    torch.testing.assert_close(distillation_loss(logits, taught), expected)
