"""The weights of an exported model, read back into the network that it was made of.

`export` writes a network as OpenVINO IR, in which each batch normalisation is folded into the
convolution before it. The converter keeps the names of the network's modules in the names of the
nodes, so that each weight is found by its module's name. In the network that is read back, the
batch normalisations pass their input on and only add the folded bias: its answers are those of the
exported model. `training.loop.batch_norm.restore_statistics` then gives them real statistics.
"""

from pathlib import Path
from typing import Any

import numpy as np
import openvino
import torch
from numpy.typing import NDArray
from torch import nn

from training.errors import MissingModelError, UnfitModelError
from training.graphs.model_files import rows_of

Floats = NDArray[np.float32]

_CONVOLUTIONS = {"Convolution", "GroupConvolution"}
_MEND = "name a folder of models that `python -m training export` wrote in 16 bits"


def exported_file(folder: Path, role: str) -> tuple[Path, dict[str, Any]]:
    """Find a model in 16 bits by the manifest of its folder.

    Args:
        folder: The models' folder.
        role: `detector`, `classifier` or `gender`.

    Returns:
        The model's .xml file, and its row of the manifest.

    Raises:
        MissingModelError: The manifest names no such model.
    """
    for row in rows_of(folder):
        file = next((name for name in row["files"] if name.endswith(".xml")), None)
        if row["role"] == role and row["precision"] == "FP16" and file is not None:
            return folder / file, row
    raise MissingModelError(
        f"{folder / 'manifest.json'} names no {role} in 16 bits to begin from; {_MEND}"
    )


def _constant(port: openvino.Input, path: Path, name: str) -> Floats:
    """Return the constant that feeds an input, through a conversion from 16 bits if any."""
    node = port.get_source_output().get_node()
    if node.get_type_name() == "Convert":
        node = node.input(0).get_source_output().get_node()
    if node.get_type_name() != "Constant" or node.get_element_type() not in (
        openvino.Type.f16,
        openvino.Type.f32,
    ):
        raise UnfitModelError(
            f"{path}: the weights of {name} are not in 16 or 32 bits ({node.get_type_name()}); "
            f"{_MEND}"
        )
    return np.array(node.data, np.float32)


def _weights(node: openvino.Node, path: Path, name: str) -> tuple[openvino.Node, Floats, Floats]:
    """Return the operation before an addition, its weights, and the bias that is added."""
    before = node.input(0).get_source_output().get_node()
    if before.get_type_name() not in {*_CONVOLUTIONS, "MatMul"}:
        raise UnfitModelError(
            f"{path}: {before.get_type_name()} stands before {name}, where a convolution was "
            f"expected; {_MEND}"
        )
    weights = _constant(before.input(1), path, name)
    return before, weights, _constant(node.input(1), path, name).reshape(-1)


@torch.no_grad()
def read_back(path: Path, network: nn.Module, *, optional: str = "deeper.") -> None:
    """Give a network the weights of an exported model.

    Args:
        path: The exported model's .xml file.
        network: The network, whose weights are replaced.
        optional: Start of the names of modules that the exported model may lack; they keep their
            weights.

    Raises:
        MissingModelError: The file is not there.
        UnfitModelError: The file cannot be read, or the model is of another architecture or
            precision; the message names the first module that does not fit.
    """
    if not path.is_file():
        raise MissingModelError(f"{path} is not there; {_MEND}")
    try:
        graph = openvino.Core().read_model(path)
    except RuntimeError as error:
        raise UnfitModelError(f"{path} cannot be read ({error}); {_MEND}") from error
    nodes = {node.get_friendly_name(): node for node in graph.get_ops()}
    used: set[str] = set()

    def fill(name: str, operation: str, weight: torch.Tensor, bias: torch.Tensor) -> None:
        node = nodes.get(f"__module.{name}/{operation}")
        if node is None:
            if name.startswith(optional):
                return
            raise UnfitModelError(
                f"{path} has no {name}: it is of another architecture, or of another version of "
                f"OpenVINO; {_MEND}"
            )
        before, weights, biases = _weights(node, path, name)
        if weights.size != weight.numel() or biases.size != bias.numel():
            raise UnfitModelError(
                f"{path}: {name} has weights of shape {list(weights.shape)} and not "
                f"{list(weight.shape)}: the model is of another width or has other classes; {_MEND}"
            )
        used.add(before.get_friendly_name())
        weight.copy_(torch.from_numpy(weights.reshape(weight.shape)))
        bias.copy_(torch.from_numpy(biases))

    convolution = nn.Conv2d(1, 1, 1)
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            convolution = module
            if module.bias is not None:
                fill(name, "aten::_convolution/Add", module.weight, module.bias)
        elif isinstance(module, nn.Linear):
            fill(name, "aten::linear/Add", module.weight, module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            # In our networks a batch normalisation is registered right after its convolution.
            before = len(used)
            fill(name, "aten::batch_norm/BatchNormInference", convolution.weight, module.bias)
            if len(used) > before:
                _pass_on(module)
    left = [
        node.get_friendly_name()
        for node in graph.get_ops()
        if node.get_type_name() in _CONVOLUTIONS and node.get_friendly_name() not in used
    ]
    if left:
        raise UnfitModelError(
            f"{path} has {len(left)} convolutions more than the network: it is deeper, or of "
            f"another architecture; {_MEND}, or give the options that it was trained with"
        )


def _pass_on(norm: nn.BatchNorm2d) -> None:
    """Let a batch normalisation add its bias alone: mean 0, variance 1, a scale that undoes eps."""
    norm.reset_running_stats()
    norm.weight.fill_((1.0 + norm.eps) ** 0.5)
