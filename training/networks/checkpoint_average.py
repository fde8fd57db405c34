"""Weights of several checkpoints averaged into one model.

Checkpoints of one run, and of runs that began from one another, lie in one basin of the loss; the
mean of their weights errs less than each, at the cost of one model (Wortsman et al., Model soups,
2022; Izmailov et al., Averaging weights leads to wider optima, 2018). Checkpoints that were trained
apart from their first step on do not, and their mean is of no use: judge it before it is shipped.
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
"""Weights, and what they are of → the same with statistics of their own (training.renewal)."""


def average_checkpoints(checkpoints: Sequence[Path], run: Path, renew: Renew | None = None) -> int:
    """Write the mean of some checkpoints as the best one of a new run; the number of weights.

    Args:
        checkpoints: Two or more files, `best.pt` or `last.pt`, of one kind, size and architecture;
            rates and seeds may differ, and the run is said to have the first one's. Of each, the
            weights that training averaged are taken.
        run: Folder of the new run; made when missing.
        renew: Takes the statistics of batch normalisation anew; None averages them, too.

    Raises:
        MissingCheckpointError: A file is not there, or is none.
        ConfigurationMismatchError: Fewer than two, or of several kinds or shapes.
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
