"""Stand-in models for unit tests: real OpenVINO graphs with nothing trained in them.

The detector finds the one coloured square on a dark ground. The classifier goes by its colour:
green wears a mask, red wears none, blue wears it wrongly.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as ops

from cloud.contract import Label
from edge.values import Image

GREEN, RED, BLUE, GROUND = (0, 255, 0), (0, 0, 255), (255, 0, 0), (20, 20, 20)
COLOURS = {Label.WITH_MASK: GREEN, Label.WITHOUT_MASK: RED, Label.INCORRECT_MASK: BLUE}

STRONG, WEAK = 0.9, 0.3
"""Scores of the square, and of a box in its upper left corner, a quarter as wide and high."""


def picture(
    colour: tuple[int, int, int] | None,
    *,
    box: tuple[int, int, int, int] = (100, 60, 180, 140),
    size: tuple[int, int] = (240, 320),
) -> Image:
    """A dark picture with a coloured square, or without one."""
    image = np.full((*size, 3), GROUND, np.uint8)
    if colour is not None:
        x0, y0, x1, y1 = box
        image[y0:y1, x0:x1] = colour
    return image


def detector() -> ov.Model:
    """`image` [1, H, W, 3] → `boxes` [1, 2, 4], `scores` [1, 2]."""
    image = ops.parameter([1, -1, -1, 3], ov.Type.u8, name="image")
    bright = ops.greater(
        ops.reduce_max(ops.convert(image, "f32"), ops.constant([3]), keep_dims=False),
        ops.constant(np.float32(120)),  # above the grey of a letterbox
    )
    seen = ops.convert(bright, "f32")
    ends = [_extent(seen, axis) for axis in (1, 2)]
    (y0, y1), (x0, x1) = ends
    four = ops.constant(np.float32(0.25))
    three = ops.constant(np.float32(0.75))
    whole = [x0, y0, x1, y1]
    corner = [
        x0,
        y0,
        *(ops.add(ops.multiply(a, three), ops.multiply(b, four)) for a, b in ((x0, x1), (y0, y1))),
    ]
    boxes = ops.reshape(ops.concat([*whole, *corner], 0), ops.constant([1, 2, 4]), False)
    scores = ops.multiply(
        ops.reduce_max(seen, ops.constant([0, 1, 2]), keep_dims=False),
        ops.constant(np.array([[STRONG, WEAK]], np.float32)),
    )
    boxes.output(0).set_names({"boxes"})
    scores.output(0).set_names({"scores"})
    image.output(0).set_names({"image"})
    return ov.Model([boxes.output(0), scores.output(0)], [image], "stand-in detector")


def _extent(seen: Any, axis: int) -> tuple[Any, Any]:
    """First and last index + 1 along an axis where anything was seen, as tensors of shape [1]."""
    others = [a for a in (0, 1, 2) if a != axis]
    line = ops.reduce_max(seen, ops.constant(others), keep_dims=False)
    length = ops.gather(ops.shape_of(seen, "i32"), ops.constant(axis), ops.constant(0))
    place = ops.convert(
        ops.range(ops.constant(np.int32(0)), length, ops.constant(np.int32(1)), "i32"), "f32"
    )
    hit = ops.greater(line, ops.constant(np.float32(0)))
    far = ops.constant(np.float32(1e6))
    first = ops.reduce_min(ops.select(hit, place, far), ops.constant([0]), keep_dims=True)
    after = ops.add(place, ops.constant(np.float32(1)))
    none = ops.constant(np.float32(0))
    last = ops.reduce_max(ops.select(hit, after, none), ops.constant([0]), keep_dims=True)
    return first, last


def classifier() -> ov.Model:
    """`image` [B, H, W, 3] → `probabilities` [B, 3], from the mean of green, red and blue."""
    image = ops.parameter([-1, -1, -1, 3], ov.Type.u8, name="image")
    means = ops.reduce_mean(ops.convert(image, "f32"), ops.constant([1, 2]), keep_dims=False)
    ordered = ops.gather(means, ops.constant([1, 2, 0]), ops.constant(1))
    probabilities = ops.softmax(ops.multiply(ordered, ops.constant(np.float32(0.05))), 1)
    probabilities.output(0).set_names({"probabilities"})
    image.output(0).set_names({"image"})
    return ov.Model([probabilities.output(0)], [image], "stand-in classifier")


INFO: dict[str, dict[str, str]] = {
    "detector": {
        "model_type": "face_detector",
        "model_name": "stand-in",
        "model_version": "1",
        "labels": "face",
        "input_size": "320 240",
        "confidence_threshold": "0.5",
        "iou_threshold": "0.45",
    },
    "classifier": {
        "model_type": "mask_classifier",
        "model_name": "stand-in",
        "model_version": "1",
        "labels": "with_mask without_mask incorrect_mask",
        "input_size": "96 96",
        "confidence_threshold": "0.7",
        "crop_margin": "0.2",
        "min_face_size": "24",
    },
}


def write(folder: Path, **info: dict[str, str]) -> Path:
    """Write both models and their manifest.

    Args:
        folder: Where to; made when missing.
        info: By role, what `rt_info/model_info` says instead of the usual.

    Returns:
        The folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for role, graph in (("detector", detector()), ("classifier", classifier())):
        for key, value in info.get(role, INFO[role]).items():
            graph.set_rt_info(value, ["model_info", key])
        ov.save_model(graph, folder / f"{role}.xml", compress_to_fp16=False)
        names = (f"{role}.xml", f"{role}.bin")
        entries.append(
            {
                "name": f"stand-in {role}",
                "role": role,
                "precision": "FP32",
                "version": "1",
                "files": {n: hashlib.sha256((folder / n).read_bytes()).hexdigest() for n in names},
            }
        )
    (folder / "manifest.json").write_text(json.dumps({"schema": 1, "models": entries}))
    return folder
