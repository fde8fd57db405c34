"""Decoding: turns the outputs of your own models into boxes and scores, or probabilities."""

from collections.abc import Mapping

import numpy as np

from edge.errors import ModelUnfitError
from edge.sidecar import BoxesOutput, Output, ProbabilitiesOutput, YuNetOutput
from edge.values import FloatArray

Arrays = Mapping[str, FloatArray]


def output_names(output: Output) -> list[str]:
    """Return the names of the outputs that a model must have; empty for its only output."""
    if isinstance(output, YuNetOutput):
        return [f"{part}_{stride}" for stride in output.strides for part in ("cls", "obj", "bbox")]
    if isinstance(output, BoxesOutput):
        return [output.boxes, output.scores]
    return [output.name] if output.name else []


def decode(output: Output, arrays: Arrays, height: int, width: int) -> dict[str, FloatArray]:
    """Decode the outputs for one picture.

    Args:
        output: As the sidecar describes it.
        arrays: The outputs by name, with the batch dimension.
        height: Of the model's input in pixels.
        width: Of the model's input in pixels.

    Returns:
        `boxes` [N, 4] in pixels and `scores` [N], or `probabilities`
        (docs/decisions/0001-model-contract.md).

    Raises:
        ModelUnfitError: The arrays have another shape than the sidecar describes.
    """
    try:
        if isinstance(output, YuNetOutput):
            return _yunet(output, arrays, width)
        if isinstance(output, BoxesOutput):
            return _boxes(output, arrays, height, width)
        return {"probabilities": _probabilities(output, arrays)}
    except (ValueError, IndexError) as error:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise ModelUnfitError(
            f"outputs {shapes} do not fit output kind {output.kind}: {error}",
            "Correct `output` in the model's sidecar",
        ) from error


def _yunet(output: YuNetOutput, arrays: Arrays, width: int) -> dict[str, FloatArray]:
    # Wu, Peng, Yu: YuNet: A Tiny Millisecond-level Face Detector, 2023. The decoding is that of
    # OpenCV: modules/objdetect/src/face_detect.cpp, FaceDetectorYNImpl::postProcess.
    boxes, scores = [], []
    for stride in output.strides:
        sure, there, moved = (
            arrays[f"{part}_{stride}"][0].reshape(-1, columns)
            for part, columns in (("cls", 1), ("obj", 1), ("bbox", 4))
        )
        cells = np.arange(len(moved))
        corner = np.stack([cells % (width // stride), cells // (width // stride)], 1)
        centre = (corner + moved[:, :2]) * stride
        half = np.exp(moved[:, 2:]) * stride / 2
        boxes.append(np.hstack([centre - half, centre + half]))
        scores.append(np.sqrt(np.clip(sure, 0, 1) * np.clip(there, 0, 1))[:, 0])
    return {"boxes": np.vstack(boxes), "scores": np.concatenate(scores)}


def _boxes(output: BoxesOutput, arrays: Arrays, height: int, width: int) -> dict[str, FloatArray]:
    raw = arrays[output.boxes][0].reshape(-1, 4)
    scores = arrays[output.scores][0]
    if scores.ndim == 2:
        if not output.face_columns and scores.shape[1] != 1:
            raise ValueError(
                f"scores have {scores.shape[1]} columns; face_columns must name those of faces"
            )
        scores = scores[:, list(output.face_columns or (0,))].sum(1)
    first, second = raw[:, :2], raw[:, 2:]
    if output.corners == "x0y0wh":
        second = first + second
    elif output.corners == "cxcywh":
        first, second = first - second / 2, first + second / 2
    boxes = np.hstack([first, second])
    if output.unit == "fraction":
        boxes = boxes * np.array([width, height] * 2, np.float32)
    return {"boxes": boxes, "scores": scores}


def _probabilities(output: ProbabilitiesOutput, arrays: Arrays) -> FloatArray:
    row = (arrays[output.name] if output.name else next(iter(arrays.values())))[0]
    row = row.reshape(-1).astype(np.float64)
    if output.activation == "sigmoid":
        row = 1 / (1 + np.exp(-row))
    elif output.activation == "softmax":
        row = np.exp(row - row.max())
        row = row / float(row.sum())
    if len(row) == 1:  # one column holds the probability of two labels
        row = np.array([row[0], 1 - row[0]])
    elif output.activation == "sigmoid":  # independent columns: scale their sum to 1
        row = row / max(float(row.sum()), 1e-9)
    if len(row) != len(output.labels):
        raise ValueError(f"{len(row)} numbers for the {len(output.labels)} labels")
    return np.asarray(row)
