"""What a run begins from: nothing, an exported model, or another run.

`--begin-from` names it. An exported model is read back from its OpenVINO file
(`training.graphs.folded_weights`), so that the shipped models can be trained further without their
checkpoints.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from training.errors import MissingCheckpointError
from training.graphs.face_finder import SHIPPED
from training.graphs.folded_weights import exported_file, read_back
from training.loop.batch_norm import restore_statistics
from training.networks.checkpoint import Configuration, begin_from, begin_trunk_from, load
from training.networks.run_summary import NOTHING

SHIPPED_MODELS = "shipped"
"""The name of the models that the edge has, for `--begin-from`."""

STATISTICS_BATCHES = 16
"""Batches of training samples on which the statistics of a folded network are measured."""

FINE_TUNING_RATE = 0.05
"""Learning rate of a run that begins from an exported model, as a share of a new model's rate.

With a quarter of the rate and a third of the distillation, a classifier that was trained on 344 own
crops of two classes admitted 22 % of the wrongly worn masks of another source; with this one, 14 %
(docs/training.md).
"""

_MANIFEST = "manifest.json"

Batches = Callable[[], Iterable[torch.Tensor]]
"""Opens an endless stream of normalised training pictures [B, 3, S, S]."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What a run begins from.

    Attributes:
        name: `nothing`, `shipped` or the path, as `RunSummary.began_from` has it.
        path: Folder of models with a manifest, folder of a run, or a checkpoint file; None begins
            with random weights.
        exported: Whether the path is a folder of exported models.
    """

    name: str = NOTHING
    path: Path | None = None
    exported: bool = False


def origin_of(name: str) -> Origin:
    """Look up what a value of `--begin-from` names.

    Args:
        name: `nothing`, `shipped`, a folder of models, a run's folder, or a checkpoint file.

    Returns:
        The origin.

    Raises:
        MissingCheckpointError: The path is not there.
    """
    if name == NOTHING:
        return Origin()
    if name == SHIPPED_MODELS:
        return Origin(name, SHIPPED.parent, exported=True)
    path = Path(name)
    if not path.exists():
        raise MissingCheckpointError(
            f"{path} is not there; give --begin-from {SHIPPED_MODELS}, {NOTHING}, a run's folder, "
            f"a checkpoint file, or a folder of exported models with its {_MANIFEST}"
        )
    return Origin(name, path, exported=(path / _MANIFEST).is_file())


def resumed_origin(run: Path) -> Origin | None:
    """Return what a run that goes on began from; None where there is nothing to resume.

    Args:
        run: The run's folder.
    """
    last = run / "last.pt"
    if not last.is_file():
        return None
    name = str(load(last).get("began_from", NOTHING))
    try:
        return origin_of(name)
    except MissingCheckpointError:
        # The weights are in last.pt; what they began from may be gone by now.
        return Origin(name)


def begin(
    network: nn.Module, origin: Origin, configuration: Configuration, pictures: Batches
) -> int:
    """Give a network the weights of its origin.

    A gender head takes only the trunk of another run, which may be a mask classifier's.

    Args:
        network: The network, whose weights are replaced.
        origin: What it begins from.
        configuration: What the network is.
        pictures: Opens training pictures, for the statistics of a network that was folded.

    Returns:
        The training samples that the weights have seen.

    Raises:
        MissingCheckpointError: A run has no `best.pt`.
        ConfigurationMismatchError: A run's model has another shape.
        MissingModelError: A folder of models has no such model in 16 bits.
        UnfitModelError: An exported model has another architecture.
    """
    if origin.path is None:
        return 0
    if not origin.exported:
        take = begin_trunk_from if configuration.kind == "gender" else begin_from
        return take(network, origin.path)
    file, row = exported_file(origin.path, configuration.kind)
    read_back(file, network)
    restore_statistics(network, pictures(), STATISTICS_BATCHES)
    return int(row.get("figures", {}).get("samples_trained", 0))
