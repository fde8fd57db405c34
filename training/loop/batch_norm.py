"""Statistics of batch normalisation, taken anew on training samples.

They say how a network's features are spread under the weights that it was trained with. Under the
mean of several networks' weights features may be spread otherwise (Izmailov et al., Averaging
weights leads to wider optima, 2018, section 3.2).
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track
from torch import nn
from torch.optim.swa_utils import update_bn

from training.networks.architectures import built
from training.networks.checkpoint import Configuration
from training.networks.detector import FaceDetector
from training.networks.normalisation import normalised
from training.samples.dataset import load_dataset
from training.samples.gender_crops import GENDER_SET, GENDERS, GenderCrops
from training.samples.mask_crops import MaskCrops
from training.samples.scenes import Scenes

_SEED = 1000003
"""Of the samples: no run's own, so that they are not those that it ended with."""

Weights = dict[str, torch.Tensor]


def network_of(configuration: Configuration) -> nn.Module:
    """The network that a configuration describes, untrained. Raises UnknownArchitectureError."""
    if configuration.kind == "detector":
        return FaceDetector(int(configuration.width), configuration.depth)
    if configuration.kind == "gender":
        return built(configuration, len(GENDERS))
    return built(configuration)


def training_batches(
    configuration: Configuration, prepared: Path, templates: Path | None
) -> Iterable[tuple[torch.Tensor, ...]]:
    """The endless batches that a model of this configuration learns from, pictures u8 [B, S, S, 3]
    first. Raises DataError.
    """
    c = configuration
    if c.kind == "detector":
        return Scenes(load_dataset(prepared, "train", templates), c.size, c.batch, _SEED)
    if c.kind == "gender":
        album = load_dataset(prepared, "train", None, GENDER_SET)
        return GenderCrops(album, c.size, c.margin, c.batch, _SEED)
    return MaskCrops(load_dataset(prepared, "train", templates), c.size, c.margin, c.batch, _SEED)


def with_new_statistics(
    weights: Weights,
    configuration: Configuration,
    samples: Iterable[tuple[torch.Tensor, ...]],
    batches: int,
    console: Console,
) -> Weights:
    """The same weights with statistics of so many batches of samples.

    Where a network has no batch normalisation, nothing changes and no sample is made.
    """
    network = network_of(configuration)
    network.load_state_dict(weights)

    def pictures() -> Iterator[torch.Tensor]:
        source = iter(samples)
        steps = track(range(batches), "statistics", console=console, transient=True)
        for _ in steps:
            yield normalised(next(source)[0])

    with torch.no_grad():
        update_bn(pictures(), network)
    return network.state_dict()
