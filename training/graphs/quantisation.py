"""INT8 by post-training quantisation (NNCF), at as little loss of accuracy as possible.

Only the network between preprocessing and decoding is quantised (`camera_graph.py`). Four ways are
tried, the fastest model first, and the first one within the allowed drop is taken:

1. symmetric activations;
2. mixed ones, asymmetric where values are signed;
3. mixed, with the first and the last layers in floating point, because 8 bits hurt these most
   (Krishnamoorthi, Quantizing deep convolutional networks, 2018, section 3);
4. the same, with the shift of each layer's mean corrected by the layer's 8-bit output instead of by
   an estimate (Nagel et al., Data-free quantization, 2019, section 4.2).
"""

import logging
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import openvino
from numpy.typing import NDArray

from training.errors import ExportError
from training.networks.normalisation import MEAN, SCALE
from training.records.pictures import Pixels

Floats = NDArray[np.float32]
Figure = Callable[[openvino.Model], float]
"""A network in 8 bits → its accuracy in its graph, 0…1."""

MOST_DROP = 0.003
"""What INT8 may cost of each figure, as a share: 0.3 points."""


class Way(StrEnum):
    """A way of quantising a network."""

    SYMMETRIC = "symmetric"
    MIXED = "mixed"
    ENDS_KEPT = "mixed, first and last layers in floating point"
    CORRECTED = "mixed, first and last layers in floating point, biases corrected by measurement"


@dataclass(frozen=True, slots=True)
class Quantised:
    """A network with INT8 weights and activations.

    Attributes:
        network: The network.
        way: How it was quantised.
        figure: Its accuracy, 0…1.
    """

    network: openvino.Model
    way: Way
    figure: float


def planes(pictures: Sequence[Pixels]) -> Floats:
    """Normalise pictures of one size for a network.

    Args:
        pictures: BGR u8 [H, W, 3] each.

    Returns:
        f32 [N, 3, H, W].
    """
    stacked = (np.stack(pictures).astype(np.float32) - MEAN) / SCALE
    return np.ascontiguousarray(stacked.transpose(0, 3, 1, 2))


def quantised(
    network: Callable[[], openvino.Model],
    samples: Sequence[Floats],
    figure: Figure,
    least: float,
    *,
    ways: Iterable[Way] = tuple(Way),
) -> Quantised:
    """Quantise a network in the first way that is accurate enough, or in the most accurate one.

    Args:
        network: Makes the network anew: quantising changes it.
        samples: Inputs of the network as in use, by which the ranges of activations are found.
        figure: Measures the accuracy of a network.
        least: The accuracy that is enough.
        ways: To be tried, in this order.

    Returns:
        The quantised network.

    Raises:
        ExportError: NNCF is not installed, or could not quantise.
    """
    best: Quantised | None = None
    for way in ways:
        made = _made(network(), samples, way)
        tried = Quantised(made, way, figure(made))
        if best is None or tried.figure > best.figure:
            best = tried
        if best.figure >= least:
            break
    if best is None:
        raise ExportError("no way of quantising was named")
    return best


def _made(network: openvino.Model, samples: Sequence[Floats], way: Way) -> openvino.Model:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import nncf  # noqa: PLC0415 - it takes seconds, and only export --int8 needs it
        except ImportError as error:
            raise ExportError(
                "NNCF, which quantises models, is not installed; `pip install nncf`, or install "
                "the training extra"
            ) from error
        nncf.set_log_level(logging.ERROR)
        presets = nncf.QuantizationPreset
        try:
            return nncf.quantize(
                network,
                nncf.Dataset(samples),
                preset=presets.PERFORMANCE if way is Way.SYMMETRIC else presets.MIXED,
                subset_size=len(samples),
                fast_bias_correction=way is not Way.CORRECTED,
                ignored_scope=nncf.IgnoredScope(names=ends(network))
                if way in (Way.ENDS_KEPT, Way.CORRECTED)
                else None,
            )
        except (RuntimeError, ValueError, nncf.ValidationError) as error:
            raise ExportError(f"NNCF could not quantise: {error}") from error


_WEIGHTED = {"Convolution", "GroupConvolution", "MatMul"}


def ends(network: openvino.Model) -> list[str]:
    """Find the layers with weights at both ends of a network.

    Args:
        network: The network.

    Returns:
        The names of the first layer with weights, and of the last one before each output, sorted.
    """
    names = []
    for op in network.get_ordered_ops():
        if op.get_type_name() in _WEIGHTED:
            names.append(op.get_friendly_name())
            break
    waiting = [result.input_value(0).get_node() for result in network.get_results()]
    seen = set()
    while waiting:
        node = waiting.pop()
        name = node.get_friendly_name()
        if name in seen:
            continue
        seen.add(name)
        if node.get_type_name() in _WEIGHTED:
            names.append(name)
        else:
            waiting += [port.get_node() for port in node.input_values()]
    return sorted(set(names))
