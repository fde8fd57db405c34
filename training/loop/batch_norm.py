"""New statistics of batch normalisation, computed on training samples.

The statistics say how a network's features are distributed under the weights that it was trained
with. Under the mean of several networks' weights the distribution may differ (Izmailov et al.,
Averaging weights leads to wider optima, 2018, section 3.2).
"""

from collections.abc import Iterable, Iterator
from itertools import islice
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
"""Seed of the samples; no run has it, so they differ from those that a run ended with."""

Weights = dict[str, torch.Tensor]


def network_of(configuration: Configuration) -> nn.Module:
    """Build the network that a configuration describes, with random weights.

    Args:
        configuration: What the network is.

    Returns:
        The network.

    Raises:
        UnknownArchitectureError: There is no such architecture.
    """
    if configuration.kind == "detector":
        return FaceDetector(int(configuration.width), configuration.depth)
    if configuration.kind == "gender":
        return built(configuration, len(GENDERS))
    return built(configuration)


def training_batches(
    configuration: Configuration, prepared: Path, templates: Path | None
) -> Iterable[tuple[torch.Tensor, ...]]:
    """Open the endless batches that a model of a configuration learns from.

    Args:
        configuration: What the model is.
        prepared: The folder that `prepare` wrote.
        templates: The folder of mask pictures; None draws no masks.

    Returns:
        The batches; the pictures u8 [B, S, S, 3] are the first tensor of each.

    Raises:
        DataError: The prepared pictures cannot be read.
    """
    c = configuration
    if c.kind == "detector":
        return Scenes(load_dataset(prepared, "train", templates), c.size, c.batch, _SEED)
    if c.kind == "gender":
        dataset = load_dataset(prepared, "train", None, GENDER_SET)
        return GenderCrops(dataset, c.size, c.margin, c.batch, _SEED)
    return MaskCrops(load_dataset(prepared, "train", templates), c.size, c.margin, c.batch, _SEED)


@torch.no_grad()
def restore_statistics(network: nn.Module, pictures: Iterable[torch.Tensor], batches: int) -> None:
    """Give the batch normalisations of a folded network real statistics; no answer changes.

    A network that was read back from an exported model has the mean 0 and the variance 1 in place
    of its statistics. In training mode, with the statistics of each batch, it would answer
    otherwise than in evaluation mode. Here each normalisation gets the mean and the variance that
    its input has over some batches, and the scale and the shift that undo them.

    Args:
        network: The network; it is set to evaluation mode.
        pictures: Normalised training pictures [B, 3, S, S], a batch each.
        batches: Number of batches that are measured.
    """
    network.eval()
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    sums: dict[nn.Module, tuple[torch.Tensor, torch.Tensor, int]] = {}

    def measure(norm: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        values = inputs[0].double()
        total, squares, count = sums.get(norm, (torch.zeros(()), torch.zeros(()), 0))
        sums[norm] = (
            total + values.sum((0, 2, 3)),
            squares + values.square().sum((0, 2, 3)),
            count + values.numel() // values.shape[1],
        )

    handles = [norm.register_forward_pre_hook(measure) for norm in norms]
    try:
        for batch in islice(pictures, batches):
            network(batch)
    finally:
        for handle in handles:
            handle.remove()
    for norm in norms:
        if norm not in sums or norm.running_mean is None or norm.running_var is None:
            continue
        total, squares, count = sums[norm]
        mean = total / count
        variance = (squares / count - mean.square()).clamp(min=0)
        scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
        shift = norm.bias.double() - norm.running_mean.double() * scale
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_(scale * (variance + norm.eps).sqrt())
        norm.bias.copy_(shift + mean * scale)


def with_new_statistics(
    weights: Weights,
    configuration: Configuration,
    samples: Iterable[tuple[torch.Tensor, ...]],
    batches: int,
    console: Console,
) -> Weights:
    """Compute the statistics of batch normalisation anew (`torch.optim.swa_utils.update_bn`).

    A network without batch normalisation does not change, and no sample is made.

    Args:
        weights: The network's weights.
        configuration: What the network is.
        samples: Batches of training samples, pictures first.
        batches: How many of them are used.
        console: Shows the progress.

    Returns:
        The weights with the new statistics.
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
