"""The learning rate over a run."""

import math

WARM_UP = 0.03
"""Share of the run in which the learning rate rises from nothing."""

LOWEST = 0.01
"""Learning rate at both ends of a run, as a share of the highest one."""


def learning_rate(progress: float, highest: float) -> float:
    """Return the learning rate at a point of a run.

    The rate rises linearly while the run warms up, and then falls along a cosine (Loshchilov and
    Hutter, SGDR, 2017, without restarts).

    Args:
        progress: Share of the run that is over, 0…1; a larger one counts as 1.
        highest: The rate after the warm-up.

    Returns:
        The rate, between a hundredth of the highest one and the highest one.
    """
    if progress < WARM_UP:
        return highest * max(LOWEST, progress / WARM_UP)
    falling = min(1.0, (progress - WARM_UP) / (1 - WARM_UP))
    return highest * (LOWEST + (1 - LOWEST) * 0.5 * (1 + math.cos(math.pi * falling)))
