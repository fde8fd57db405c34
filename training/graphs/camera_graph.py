"""Graphs that take camera pictures: a trained network between preprocessing and decoding.

docs/decisions/0001-model-contract.md lays down their inputs and outputs. The network is converted
alone, so that it can be quantised (`quantisation.py`) while resizing, normalising, softmax and the
decoding of boxes keep their precision.
"""

import tempfile
import warnings
from pathlib import Path

import numpy as np
import openvino
import torch
from numpy.typing import NDArray
from openvino import opset13 as ops
from torch import nn
from torch.nn import functional

from training.boxes.resizing import FILL
from training.networks.classifier import CropClassifier
from training.networks.detector import MULTIPLE, FaceDetector, anchor_points, decode
from training.networks.normalisation import MEAN, SCALE
from training.records.pictures import Pixels

Floats = NDArray[np.float32]


class _Decoder(nn.Module):
    """Decodes the outputs of the detector's network into boxes in pixels, and scores."""

    def forward(
        self, pictures: torch.Tensor, logits: torch.Tensor, raw: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return decode(raw, anchor_points(pictures.shape[2], pictures.shape[3])), logits.sigmoid()


def _converted(module: nn.Module, example: tuple[torch.Tensor, ...]) -> openvino.Model:
    with warnings.catch_warnings():
        # OpenVINO's converter traces the module. torch warns that tracing is deprecated and that
        # sizes become part of the graph; we can change neither.
        warnings.simplefilter("ignore")
        model = openvino.convert_model(module.eval(), example_input=example)
    # The converted model points into torch's memory, which may be freed earlier. A model that was
    # read from a file owns its memory.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "converted.xml"
        openvino.save_model(model, path, compress_to_fp16=False)
        return openvino.Core().read_model(path.read_bytes(), path.with_suffix(".bin").read_bytes())


def detector_network(model: FaceDetector) -> openvino.Model:
    """Convert the detector's network alone.

    Args:
        model: As trained.

    Returns:
        A graph from f32 [1, 3, H, W], normalised, H and W multiples of 32, to the network's
        outputs.
    """
    network = _converted(model, (torch.zeros(1, 3, 3 * MULTIPLE, 4 * MULTIPLE),))
    network.reshape([1, 3, -1, -1])
    return network


def classifier_network(model: CropClassifier, size: int) -> openvino.Model:
    """Convert the classifier's network alone.

    Args:
        model: As trained.
        size: Side in pixels of the square that the network sees.

    Returns:
        A graph from f32 [B, 3, size, size], normalised, to logits [B, labels].
    """
    network = _converted(model, (torch.zeros(2, 3, size, size),))
    network.reshape([-1, 3, size, size])
    return network


def _join(model: openvino.Model, *sources: openvino.Output) -> list[openvino.Output]:
    """Feed the outputs `sources` into a model's inputs. Return the model's outputs."""
    for port, source in zip(model.inputs, sources, strict=True):
        for target in port.get_target_inputs():
            target.replace_source_output(source)
    return [result.input_value(0) for result in model.get_results()]


def _triangle_weights(inside: openvino.Output, outside: openvino.Output) -> openvino.Output:
    """Compute the weights of Pillow's BILINEAR filter in the graph.

    The filter (src/libImaging/Resample.c, precompute_coeffs) is a triangle; when shrinking, it is
    as wide as the step between two samples.

    Args:
        inside: Length of the input, i64 [1].
        outside: Length of the output, i64 [1].

    Returns:
        Weights [outside, inside].
    """
    half, one = ops.constant(0.5, dtype=np.float32), ops.constant(1.0, dtype=np.float32)

    def places(length: openvino.Output, axis: int) -> openvino.Node:
        end = ops.squeeze(length, ops.constant([0], dtype=np.int64))
        count = ops.range(
            ops.constant(0, dtype=np.int64), end, ops.constant(1, dtype=np.int64), "i64"
        )
        return ops.add(
            ops.unsqueeze(ops.convert(count, "f32"), ops.constant(axis, dtype=np.int64)), half
        )

    step = ops.divide(ops.convert(inside, "f32"), ops.convert(outside, "f32"))
    apart = ops.abs(ops.subtract(places(inside, 0), ops.multiply(places(outside, 1), step)))
    weights = ops.relu(ops.subtract(one, ops.divide(apart, ops.maximum(step, one))))
    return ops.divide(
        weights, ops.reduce_sum(weights, ops.constant([1], dtype=np.int64), True)
    ).output(0)


def _resized(
    image: openvino.Output, height: openvino.Output, width: openvino.Output
) -> openvino.Output:
    """Resize a picture as Pillow does, antialiased when shrinking: NHWC u8 → NCHW f32.

    This is done by two matrix products. OpenVINO's own `bilinear_pillow` gives the same numbers,
    but prepares each new size of picture for a third of a second, and takes longer for a frame,
    too.

    Args:
        image: The picture.
        height: Height of the output, i64 [1].
        width: Width of the output, i64 [1].

    Returns:
        The resized picture.
    """
    planes = ops.transpose(ops.convert(image, "f32"), ops.constant([0, 3, 1, 2], dtype=np.int64))
    shape = ops.shape_of(image, output_type="i64")
    sides = [
        ops.gather(shape, ops.constant([i], dtype=np.int64), ops.constant(0, dtype=np.int64))
        for i in (1, 2)
    ]
    across = ops.matmul(planes, _triangle_weights(sides[1].output(0), width), False, True)
    return ops.matmul(_triangle_weights(sides[0].output(0), height), across, False, False).output(0)


def _planes(image: openvino.Output) -> openvino.Output:
    """Convert NHWC u8 to NCHW f32."""
    order = ops.constant([0, 3, 1, 2], dtype=np.int64)
    return ops.transpose(ops.convert(image, "f32"), order).output(0)


def _fitted(
    image: openvino.Output,
    fits: openvino.Output,
    height: openvino.Output,
    width: openvino.Output,
) -> openvino.Output:
    """Resize a picture only if it does not have the right size yet: NHWC u8 → NCHW f32.

    With the shape of the input fixed, `fits` is a constant and OpenVINO keeps one branch alone: a
    picture of the right size is not resized, and takes no time for it.

    Args:
        image: The picture.
        fits: Whether the picture has the right size, a boolean scalar.
        height: Height of the output, i64 [1].
        width: Width of the output, i64 [1].

    Returns:
        The picture in the right size.
    """

    def branch(resized: bool) -> tuple[openvino.Model, list[openvino.Node]]:
        inside = ops.parameter([-1, -1, -1, 3], np.uint8)
        if not resized:
            return openvino.Model([ops.result(_planes(inside.output(0)))], [inside]), [inside]
        sides = [ops.parameter([1], np.int64) for _ in range(2)]
        planes = _resized(inside.output(0), sides[0].output(0), sides[1].output(0))
        return openvino.Model([ops.result(planes)], [inside, *sides]), [inside, *sides]

    choice = ops.if_op(fits)
    as_it_is, [given] = branch(resized=False)
    changed, [wrong, *sides] = branch(resized=True)
    choice.set_then_body(as_it_is)
    choice.set_else_body(changed)
    choice.set_input(image, given, wrong)
    for source, inside in zip((height, width), sides, strict=True):
        choice.set_input(source, None, inside)
    return choice.set_output(as_it_is.results[0], changed.results[0])


def _normalised(planes: openvino.Output) -> openvino.Output:
    mean, scale = (ops.constant(v, dtype=np.float32) for v in (MEAN, SCALE))
    return ops.divide(ops.subtract(planes, mean), scale).output(0)


def _picked(values: openvino.Output, *indices: int) -> openvino.Output:
    zero = ops.constant(0, dtype=np.int64)
    return ops.gather(values, ops.constant(list(indices), dtype=np.int64), zero).output(0)


def detector_graph(
    model: FaceDetector, size: int, network: openvino.Model | None = None
) -> openvino.Model:
    """Build the detector's graph for camera pictures.

    `image` u8 [1, H, W, 3] BGR → `boxes` f32 [1, N, 4] in the image's pixels, `scores` f32 [1, N].
    The picture is resized so that its longer side is `size`, and its shorter side is filled up to a
    multiple of 32: a camera's 4:3 costs a quarter less than a square would.

    Args:
        model: As trained.
        size: Longer side in pixels that the network sees.
        network: The network to build in; None takes `detector_network(model)`.

    Returns:
        The graph.
    """
    network = network or detector_network(model)
    image = ops.parameter([1, -1, -1, 3], np.uint8, name="image")
    shape = ops.shape_of(image, output_type="i64").output(0)
    sides = _picked(shape, 1, 2)
    longest = ops.reduce_max(sides, ops.constant([0], dtype=np.int64), keep_dims=True)
    scale = ops.divide(ops.constant([float(size)], dtype=np.float32), ops.convert(longest, "f32"))
    inner = ops.round(ops.multiply(ops.convert(sides, "f32"), scale), "half_to_even")
    inner = ops.convert(ops.maximum(inner, ops.constant([1.0], dtype=np.float32)), "i64").output(0)
    fits = ops.squeeze(
        ops.equal(longest, ops.constant([size], dtype=np.int64)),
        ops.constant([0], dtype=np.int64),
    ).output(0)
    planes = _fitted(image.output(0), fits, _picked(inner, 0), _picked(inner, 1))
    # Pixels missing to the next multiple: (-side) mod multiple.
    missing = ops.floor_mod(ops.negative(inner), ops.constant([MULTIPLE, MULTIPLE], dtype=np.int64))
    ends = ops.concat([ops.constant([0, 0], dtype=np.int64), missing], 0)
    begins = ops.constant([0, 0, 0, 0], dtype=np.int64)
    filled = ops.pad(planes, begins, ends, "constant", ops.constant(float(FILL), dtype=np.float32))
    normal = _normalised(filled.output(0))

    said = _join(network, normal)
    example = torch.zeros(1, 3, MULTIPLE, 2 * MULTIPLE)
    with torch.no_grad():
        decoder = _converted(_Decoder(), (example, *model.eval()(example)))
    boxes, scores = _join(decoder, normal, *said)
    # Boxes go back to the image's pixels by the factors that rounding really gave, and are cut off
    # at its border.
    limits = ops.convert(_picked(sides, 1, 0, 1, 0), "f32")
    shown = ops.convert(_picked(inner, 1, 0, 1, 0), "f32")
    pixels = ops.multiply(boxes, ops.divide(limits, shown))
    pixels = ops.minimum(ops.maximum(pixels, ops.constant(0.0, dtype=np.float32)), limits)
    pixels.output(0).get_tensor().set_names({"boxes"})
    named = ops.convert(scores, "f32")
    named.output(0).get_tensor().set_names({"scores"})
    image.output(0).get_tensor().set_names({"image"})
    return openvino.Model(
        [ops.result(pixels, name="boxes"), ops.result(named, name="scores")],
        [image],
        "face-detector",
    )


def classifier_graph(
    model: CropClassifier, size: int, temperature: float, network: openvino.Model | None = None
) -> openvino.Model:
    """Build the classifier's graph for face crops.

    `image` u8 [B, H, W, 3] BGR → `probabilities` f32 [B, labels]. Each crop and its mirror image go
    through the network as one batch, and their logits are averaged (`CropClassifier.both_ways`).

    Args:
        model: As trained.
        size: Side in pixels of the square that the network sees.
        temperature: Divides the logits before softmax.
        network: The network to build in; None takes `classifier_network(model, size)`.

    Returns:
        The graph.
    """
    network = network or classifier_network(model, size)
    image = ops.parameter([-1, -1, -1, 3], np.uint8, name="image")
    sides = _picked(ops.shape_of(image, output_type="i64").output(0), 1, 2)
    wanted = ops.constant([size, size], dtype=np.int64)
    fits = ops.reduce_logical_and(
        ops.equal(sides, wanted), ops.constant([0], dtype=np.int64), False
    ).output(0)
    side = ops.constant([size], dtype=np.int64).output(0)
    planes = _fitted(image.output(0), fits, side, side)
    mirrored = ops.gather(
        planes,
        ops.constant(np.arange(size)[::-1].copy(), dtype=np.int64),
        ops.constant(3, dtype=np.int64),
    )
    normal = _normalised(ops.concat([planes, mirrored], 0).output(0))
    (logits,) = _join(network, normal)
    halves = ops.split(logits, ops.constant(0, dtype=np.int64), 2)
    mean = ops.multiply(
        ops.add(halves.output(0), halves.output(1)),
        ops.constant(0.5 / temperature, dtype=np.float32),
    )
    named = ops.softmax(mean, 1)
    named.output(0).get_tensor().set_names({"probabilities"})
    image.output(0).get_tensor().set_names({"image"})
    return openvino.Model([ops.result(named, name="probabilities")], [image], "mask-classifier")


def _shown(picture: Pixels, height: int, width: int, multiple: int) -> torch.Tensor:
    """The graph's preprocessing in torch: Pillow's antialiased resize, then the letterbox."""
    planes = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
    small = functional.interpolate(
        planes, (height, width), mode="bilinear", antialias=True, align_corners=False
    )
    room = (0, -width % multiple, 0, -height % multiple)
    return (functional.pad(small, room, value=float(FILL)) - MEAN) / SCALE


@torch.no_grad()
def reference_detection(model: FaceDetector, picture: Pixels, size: int) -> tuple[Floats, Floats]:
    """Detect faces with the torch model, to compare its answer with the exported one.

    Args:
        model: As trained.
        picture: BGR u8 [H, W, 3].
        size: Longer side in pixels that the network sees.

    Returns:
        Boxes [N, 4] in the picture's pixels, and scores [N].
    """
    height, width = picture.shape[:2]
    scale = np.float32(size) / np.float32(max(height, width))
    h, w = (max(1, int(np.rint(np.float32(side) * scale))) for side in (height, width))
    shown = _shown(picture, h, w, MULTIPLE)
    boxes, scores = _Decoder()(shown, *model.eval()(shown))
    limits = torch.tensor([width, height, width, height], dtype=torch.float32)
    pixels = boxes[0] * (limits / torch.tensor([w, h, w, h], dtype=torch.float32))
    return torch.minimum(pixels.clamp(min=0), limits).numpy(), scores[0].numpy()


@torch.no_grad()
def reference_probabilities(
    model: CropClassifier, crop: Pixels, size: int, temperature: float
) -> Floats:
    """Classify a crop with the torch model, to compare its answer with the exported one.

    Args:
        model: As trained.
        crop: BGR u8 [H, W, 3].
        size: Side in pixels of the square that the network sees.
        temperature: Divides the logits before softmax.

    Returns:
        Probabilities [labels].
    """
    logits = model.eval().both_ways(_shown(crop, size, size, 1))
    return np.asarray(functional.softmax(logits / temperature, 1)[0].numpy(), np.float32)
