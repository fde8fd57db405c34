"""The mirror image that a classifier judges beside each crop, and the graph without it.

A classifier of ours runs a crop and its mirror image through the network, and takes the mean: it is
right a little more often, at twice the price. A door judges each face many times, and its votes are
a mean, too. So the door leaves the mirror image out, and what judges one picture keeps it.
"""

import numpy as np
import openvino as ov


def remove_mirror(graph: ov.Model) -> bool:
    """Leave the mirror image out of a classifier's graph.

    The graph joins crops and mirror images to one batch, and divides the network's answers into two
    halves, whose mean it takes (docs/decisions/0001-model-contract.md). Without the join, both
    halves are the answers on the crops, and their mean is the same.

    Args:
        graph: Is changed if it has a mirror image.

    Returns:
        Whether it had one. Another graph stays as it is.
    """
    joins = [op for op in graph.get_ops() if _joins_mirror(op)]
    halves = [op for op in graph.get_ops() if _is_halved_batch(op)]
    if len(joins) != 1 or len(halves) != 1:
        return False
    (join,), (half,) = joins, halves
    join.output(0).replace(join.input_value(0))
    answers = half.input_value(0)
    for output in half.outputs():
        output.replace(answers)
    graph.validate_nodes_and_infer_types()
    return True


def _joins_mirror(op: ov.Node) -> bool:
    """Return whether an operation appends the mirror images of a batch [B, C, H, W] to it."""
    if op.get_type_name() != "Concat" or op.get_input_size() != 2 or op.get_attributes()["axis"]:
        return False
    mirror = op.input_value(1).get_node()
    if mirror.get_type_name() != "Gather" or mirror.input_value(0) != op.input_value(0):
        return False
    places, axis = (_constant(mirror.input_value(i).get_node()) for i in (1, 2))
    if places is None or axis is None or int(axis) != 3:
        return False
    return bool(np.array_equal(places, np.arange(len(places))[::-1]))


def _is_halved_batch(op: ov.Node) -> bool:
    if op.get_type_name() != "Split" or op.get_output_size() != 2:
        return False
    axis = _constant(op.input_value(1).get_node())
    return axis is not None and int(axis) == 0


def _constant(node: ov.Node) -> "np.ndarray[tuple[int, ...], np.dtype[np.generic]] | None":
    return np.array(node.data) if node.get_type_name() == "Constant" else None
