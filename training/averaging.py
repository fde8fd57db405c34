"""Weights of several checkpoints averaged into one model.

Checkpoints of one run, and of runs that began from one another, lie in one basin of the loss; the
mean of their weights errs less than each, at the cost of one model (Wortsman et al., Model soups,
2022; Izmailov et al., Averaging weights leads to wider optima, 2018). Checkpoints that were trained
apart from their first step on do not, and their mean is of no use: judge it before it is shipped.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from training.checkpoint import Configuration, load, save
from training.errors import ConfigurationMismatchError


def average(checkpoints: Sequence[Path], run: Path) -> int:
    """Write the mean of some checkpoints as the best one of a new run; the number of weights.

    Args:
        checkpoints: Two or more files, `best.pt` or `last.pt`, of one configuration. Of each, the
            weights that training averaged are taken.
        run: Folder of the new run; made when missing.

    Raises:
        MissingCheckpointError: A file is not there, or is none.
        ConfigurationMismatchError: Fewer than two, or of several configurations or shapes.
        StorageError: The disk is full.
    """
    if len(checkpoints) < 2:
        raise ConfigurationMismatchError(
            "an average takes two checkpoints or more; name best.pt or last.pt of runs that began "
            "from one another"
        )
    first = load(checkpoints[0])
    expected = Configuration(**first["configuration"])
    states = [first, *(load(path, expected) for path in checkpoints[1:])]
    weights: dict[str, torch.Tensor] = {}
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
    state: dict[str, Any] = {
        "configuration": asdict(expected),
        "average": weights,
        "figures": {},
        "samples": max(int(s.get("samples", 0)) for s in states),
    }
    run.mkdir(parents=True, exist_ok=True)
    save(state, run / "best.pt")
    return sum(tensor.numel() for tensor in weights.values())
