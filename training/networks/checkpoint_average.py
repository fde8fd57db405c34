"""The average of several checkpoints' weights, as one model.

Checkpoints of one run, and of runs that began from one another, lie in one basin of the loss. The
mean of their weights errs less than each, at the cost of one model (Wortsman et al., Model soups,
2022; Izmailov et al., Averaging weights leads to wider optima, 2018). The mean of checkpoints that
were trained apart from the first step on is of no use: evaluate an average before it is shipped.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from training.errors import ConfigurationMismatchError
from training.networks.checkpoint import MODEL, Configuration, load, samples_seen, save

Weights = dict[str, torch.Tensor]
Renew = Callable[[Weights, Configuration], Weights]
"""Weights and their configuration → the weights with new statistics of batch normalisation
(`training.loop.batch_norm`).
"""


def average_checkpoints(checkpoints: Sequence[Path], run: Path, renew: Renew | None = None) -> int:
    """Write the mean of some checkpoints as the best checkpoint of a new run.

    The moving averages in the checkpoints are averaged. The new run counts the training samples of
    the checkpoint that has seen most.

    Args:
        checkpoints: Two files or more, `best.pt` or `last.pt`, of one kind, size and architecture.
            Rates and seeds may differ; the new run has the first one's.
        run: Folder of the new run; it is made when missing.
        renew: Computes new statistics of batch normalisation; None averages the statistics, too.

    Returns:
        The number of weights.

    Raises:
        MissingCheckpointError: A file is not there, or is no checkpoint.
        ConfigurationMismatchError: There are fewer than two files, or they hold models of several
            kinds or shapes.
        StorageError: The disk is full.
    """
    if len(checkpoints) < 2:
        raise ConfigurationMismatchError(
            "an average takes two checkpoints or more; name best.pt or last.pt of runs that began "
            "from one another"
        )
    first = load(checkpoints[0])
    expected = Configuration(**first["configuration"])
    states = [first, *(load(path, expected, MODEL) for path in checkpoints[1:])]
    weights: Weights = {}
    for name, tensor in first["average"].items():
        others = [state["average"].get(name) for state in states]
        if any(other is None or other.shape != tensor.shape for other in others):
            raise ConfigurationMismatchError(
                f"{name} has another shape in one of {', '.join(map(str, checkpoints))}; average "
                "checkpoints of one kind, architecture and width"
            )
        weights[name] = (
            torch.stack([other.double() for other in others]).mean(0).to(tensor.dtype)
            if tensor.is_floating_point()
            else tensor
        )
    if renew is not None:
        weights = renew(weights, expected)
    longest = max(states, key=samples_seen)
    state: dict[str, Any] = {
        "configuration": asdict(expected),
        "average": weights,
        "figures": {},
        "samples": longest.get("samples", 0),
        "samples_before": longest.get("samples_before", 0),
    }
    run.mkdir(parents=True, exist_ok=True)
    save(state, run / "best.pt")
    return sum(tensor.numel() for tensor in weights.values())
