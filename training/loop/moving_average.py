"""The exponential moving average of a model's weights while it trains.

The average of the last steps' weights errs less than the weights themselves (Polyak and Juditsky,
Acceleration of Stochastic Approximation by Averaging, 1992). The decay grows over the first steps,
as in YOLOX (Ge et al., 2021: `yolox/utils/ema.py`), so that the average soon forgets the random
weights that a run starts with.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

DECAY = 0.9995
"""What the average keeps of itself at a step, once many steps were averaged."""

WARM_UP_STEPS = 500
"""Steps after which the decay has risen to 1 - 1/e of `DECAY`."""


@torch.no_grad()
def _update(
    averages: Sequence[torch.Tensor], weights: Sequence[torch.Tensor], steps: torch.Tensor | int
) -> None:
    """Move each average towards its weight by 1 - decay; counters are copied.

    With the decay of `DECAY * (1 - exp(-steps / WARM_UP_STEPS))` the weight of a step is computed
    without the difference of two numbers near one, which float32 would round.
    """
    passed = torch.as_tensor(steps, dtype=torch.float64).neg() / WARM_UP_STEPS
    share = (1 - DECAY) + DECAY * passed.exp()
    for average, weight in zip(averages, weights, strict=True):
        if average.dtype.is_floating_point:
            average.lerp_(weight, share.to(average.dtype))
        else:
            average.copy_(weight)


def moving_average(model: nn.Module) -> AveragedModel:
    """Make the moving average of a model.

    Call `update_parameters(model)` after each optimiser step. Parameters and buffers are averaged,
    so that the statistics of batch normalisation belong to the averaged weights; integer buffers
    are copied.

    Args:
        model: The model, with the weights that the average starts from.

    Returns:
        The average, in evaluation mode; its `module` has the architecture of `model`.
    """
    average = AveragedModel(model, multi_avg_fn=_update, use_buffers=True)
    _set_steps(average, 0)
    return average.eval().requires_grad_(False)


def restore_average(
    average: AveragedModel, weights: Mapping[str, torch.Tensor], steps: int
) -> None:
    """Set an average to the state of a run that goes on.

    Args:
        average: What `moving_average` returned.
        weights: The averaged weights by name, as a checkpoint holds them.
        steps: Optimiser steps that were averaged.
    """
    average.module.load_state_dict(weights)
    _set_steps(average, steps)


def _set_steps(average: AveragedModel, steps: int) -> None:
    # At n_averaged 0 torch would copy the model. Our average starts from the weights before the
    # first step, so it counts them as averaged: the next step is number `steps + 1`.
    average.n_averaged.fill_(steps + 1)
