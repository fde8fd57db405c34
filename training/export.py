"""`export`: a trained model → OpenVINO IR with FP16 weights that takes camera pictures and says
what it is.

The contract is docs/decisions/0001-model-contract.md: letterboxing, resizing, normalising and
decoding are in the graph; labels, thresholds and sizes in `rt_info/model_info`; the hashes in
`manifest.json`. This is the one file that imports openvino.
"""

import hashlib
import json
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import openvino
import torch
from numpy.typing import NDArray
from openvino import opset13 as ops
from torch import nn
from torch.nn import functional

from training.checkpoint import write_json
from training.classifier import CropClassifier
from training.detector import FaceDetector, anchor_points, decode
from training.errors import ExportError
from training.layouts import Pixels
from training.measures import MEAN, SCALE

FILL = 114.0
"""Grey of the letterbox's empty part, 0…255."""

Floats = NDArray[np.float32]


class _DetectorCore(nn.Module):
    """Normalised square picture → boxes in its pixels and scores."""

    def __init__(self, model: FaceDetector, size: int) -> None:
        super().__init__()
        self.model = model
        self.anchors: torch.Tensor
        self.register_buffer("anchors", anchor_points(size, size))

    def forward(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits, raw = self.model(pictures)
        return decode(raw, self.anchors), logits.sigmoid()


class _ClassifierCore(nn.Module):
    """Normalised crops → calibrated probabilities."""

    def __init__(self, model: CropClassifier, temperature: float) -> None:
        super().__init__()
        self.model, self.temperature = model, temperature

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        return functional.softmax(self.model.both_ways(crops) / self.temperature, dim=1)


@dataclass(frozen=True, slots=True)
class Exported:
    """What one exported model is and was measured at: a row of manifest.json."""

    name: str
    role: str
    version: str
    size: int
    labels: tuple[str, ...]
    thresholds: dict[str, float]
    trained_on: list[dict[str, object]]
    figures: dict[str, object]


def _converted(core: nn.Module, example: torch.Tensor) -> openvino.Model:
    with warnings.catch_warnings():
        # OpenVINO's converter traces the module; torch calls tracing deprecated, and that is not
        # ours to change.
        warnings.simplefilter("ignore", DeprecationWarning)
        model = openvino.convert_model(core.eval(), example_input=example)
    model.reshape([-1, 3, example.shape[2], example.shape[3]])
    return model


def _join(image: openvino.Output, core: openvino.Model) -> list[openvino.Output]:
    for target in core.inputs[0].get_target_inputs():
        target.replace_source_output(image)
    return [result.input_value(0) for result in core.get_results()]


def _triangle_weights(inside: openvino.Output, outside: openvino.Output) -> openvino.Output:
    """[outside, inside] weights of Pillow's BILINEAR filter (src/libImaging/Resample.c,
    precompute_coeffs), made in the graph from the two lengths, each i64 [1]: a triangle as wide as
    the step between two samples when shrinking.
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
    """NHWC u8 → NCHW f32, resized as Pillow does it (antialiased when shrinking).

    By two matrix products: OpenVINO's own `bilinear_pillow` gives the same numbers, but prepares
    each new size of picture for a third of a second, and every crop of a face has a size of its
    own.
    """
    planes = ops.transpose(ops.convert(image, "f32"), ops.constant([0, 3, 1, 2], dtype=np.int64))
    shape = ops.shape_of(image, output_type="i64")
    sides = [
        ops.gather(shape, ops.constant([i], dtype=np.int64), ops.constant(0, dtype=np.int64))
        for i in (1, 2)
    ]
    across = ops.matmul(planes, _triangle_weights(sides[1].output(0), width), False, True)
    return ops.matmul(_triangle_weights(sides[0].output(0), height), across, False, False).output(0)


def detector_graph(model: FaceDetector, size: int) -> openvino.Model:
    """`image` u8 [1, H, W, 3] BGR → `boxes` f32 [1, N, 4] in the image's pixels, `scores` f32 [1,
    N].
    """
    image = ops.parameter([1, -1, -1, 3], np.uint8, name="image")
    shape = ops.shape_of(image, output_type="i64")
    sides = ops.gather(shape, ops.constant([1, 2], dtype=np.int64), ops.constant(0, dtype=np.int64))
    longest = ops.convert(
        ops.reduce_max(sides, ops.constant([0], dtype=np.int64), keep_dims=True), "f32"
    )
    scale = ops.divide(ops.constant([float(size)], dtype=np.float32), longest)
    inner = ops.round(ops.multiply(ops.convert(sides, "f32"), scale), "half_to_even")
    inner = ops.convert(ops.maximum(inner, ops.constant([1.0], dtype=np.float32)), "i64")
    height = ops.gather(inner, ops.constant([0], dtype=np.int64), ops.constant(0, dtype=np.int64))
    width = ops.gather(inner, ops.constant([1], dtype=np.int64), ops.constant(0, dtype=np.int64))
    planes = _resized(image.output(0), height.output(0), width.output(0))
    missing = ops.subtract(ops.constant([size, size], dtype=np.int64), inner)
    ends = ops.concat([ops.constant([0, 0], dtype=np.int64), missing], 0)
    begins = ops.constant([0, 0, 0, 0], dtype=np.int64)
    square = ops.pad(planes, begins, ends, "constant", ops.constant(FILL, dtype=np.float32))
    square = ops.reshape(square, ops.constant([1, 3, size, size], dtype=np.int64), False)
    normal = ops.divide(
        ops.subtract(square, ops.constant(MEAN, dtype=np.float32)),
        ops.constant(SCALE, dtype=np.float32),
    )

    boxes, scores = _join(
        normal.output(0), _converted(_DetectorCore(model, size), torch.zeros(1, 3, size, size))
    )
    # Back to the image's pixels by the two factors that were really applied, then cut off at its
    # border.
    wide = ops.gather(
        sides, ops.constant([1, 0, 1, 0], dtype=np.int64), ops.constant(0, dtype=np.int64)
    )
    shown = ops.gather(
        inner, ops.constant([1, 0, 1, 0], dtype=np.int64), ops.constant(0, dtype=np.int64)
    )
    limits = ops.convert(wide, "f32")
    pixels = ops.multiply(boxes, ops.divide(limits, ops.convert(shown, "f32")))
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


def classifier_graph(model: CropClassifier, size: int, temperature: float) -> openvino.Model:
    """`image` u8 [B, H, W, 3] BGR → `probabilities` f32 [B, labels]."""
    image = ops.parameter([-1, -1, -1, 3], np.uint8, name="image")
    side = ops.constant([size], dtype=np.int64).output(0)
    planes = _resized(image.output(0), side, side)
    normal = ops.divide(
        ops.subtract(planes, ops.constant(MEAN, dtype=np.float32)),
        ops.constant(SCALE, dtype=np.float32),
    )
    (probabilities,) = _join(
        normal.output(0),
        _converted(_ClassifierCore(model, temperature), torch.zeros(2, 3, size, size)),
    )
    named = ops.convert(probabilities, "f32")
    named.output(0).get_tensor().set_names({"probabilities"})
    image.output(0).get_tensor().set_names({"image"})
    return openvino.Model([ops.result(named, name="probabilities")], [image], "mask-classifier")


def _square(picture: Pixels, height: int, width: int, size: int) -> torch.Tensor:
    """The graph's preprocessing in torch: Pillow's antialiased resize, then the letterbox."""
    planes = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
    small = functional.interpolate(
        planes, (height, width), mode="bilinear", antialias=True, align_corners=False
    )
    return (functional.pad(small, (0, size - width, 0, size - height), value=FILL) - MEAN) / SCALE


@torch.no_grad()
def reference_detection(model: FaceDetector, picture: Pixels, size: int) -> tuple[Floats, Floats]:
    """Boxes [N, 4] and scores [N] of the torch model, to compare with the exported one."""
    height, width = picture.shape[:2]
    scale = np.float32(size) / np.float32(max(height, width))
    h, w = (max(1, int(np.rint(np.float32(side) * scale))) for side in (height, width))
    boxes, scores = _DetectorCore(model.eval(), size)(_square(picture, h, w, size))
    limits = torch.tensor([width, height, width, height], dtype=torch.float32)
    pixels = boxes[0] * (limits / torch.tensor([w, h, w, h], dtype=torch.float32))
    return torch.minimum(pixels.clamp(min=0), limits).numpy(), scores[0].numpy()


@torch.no_grad()
def reference_probabilities(
    model: CropClassifier, crop: Pixels, size: int, temperature: float
) -> Floats:
    """Probabilities [labels] of the torch model, to compare with the exported one."""
    return np.asarray(
        _ClassifierCore(model.eval(), temperature)(_square(crop, size, size, size))[0].numpy(),
        np.float32,
    )


def describe(graph: openvino.Model, exported: Exported, margin: float) -> None:
    """Fill `rt_info/model_info`; every value is a string."""
    info = {
        "model_type": "face_detector" if exported.role == "detector" else "mask_classifier",
        "model_name": exported.name,
        "model_version": exported.version,
        "labels": " ".join(exported.labels),
        "input_size": f"{exported.size} {exported.size}",
        "mean_values": " ".join([str(MEAN)] * 3),
        "scale_values": " ".join([str(SCALE)] * 3),
        "color_order": "BGR",
        "confidence_threshold": str(exported.thresholds["confidence"]),
    }
    if exported.role == "detector":
        info["iou_threshold"] = str(exported.thresholds["iou"])
    else:
        info["crop_margin"] = str(margin)
        info["min_face_size"] = str(int(exported.thresholds["min_face_size"]))
    for key, value in info.items():
        graph.set_rt_info(value, ["model_info", key])


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def install(graph: openvino.Model, exported: Exported, folder: Path) -> None:
    """Write IR and manifest into `folder`: each file beside its place, then renamed; the manifest
    last, so that it never names what is not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    openvino.save_model(graph, str(folder / "new.xml"), compress_to_fp16=True)
    for suffix in (".bin", ".xml"):
        (folder / f"new{suffix}").replace(folder / f"{exported.name}{suffix}")
    manifest = folder / "manifest.json"
    models = (
        json.loads(manifest.read_text(encoding="utf-8"))["models"] if manifest.is_file() else []
    )
    row = {
        "name": exported.name,
        "role": exported.role,
        "precision": "FP16",
        "version": exported.version,
        "files": {
            f"{exported.name}{s}": _sha256(folder / f"{exported.name}{s}") for s in (".xml", ".bin")
        },
        "input": [exported.size, exported.size],
        "labels": list(exported.labels),
        "thresholds": exported.thresholds,
        "trained_on": exported.trained_on,
        "figures": exported.figures,
    }
    others = [m for m in models if m["role"] != exported.role]
    write_json(
        {"schema": 1, "models": sorted([*others, row], key=lambda m: str(m["role"]), reverse=True)},
        manifest,
    )


def milliseconds(
    folder: Path, name: str, shape: tuple[int, int, int, int], runs: int = 20
) -> float:
    """Median time of one inference on this machine's CPU, the input's shape fixed."""
    core = openvino.Core()
    graph = core.read_model(folder / f"{name}.xml")
    graph.reshape(list(shape))
    compiled = core.compile_model(graph, "CPU", {"PERFORMANCE_HINT": "LATENCY"})
    request = compiled.create_infer_request()
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        request.infer([image])
        times.append((time.perf_counter() - start) * 1000)
    return float(np.median(times))


def verify_detector(
    model: FaceDetector, size: int, folder: Path, name: str, picture: Pixels
) -> float:
    """Compare IR (any size, and fixed to the picture's) with torch on one picture; the largest
    difference of a score.

    Raises ExportError where scores differ by more than 0.03 or confident boxes by more than 2 % of
    the picture.
    """
    boxes, scores = reference_detection(model, picture, size)
    core = openvino.Core()
    worst = 0.0
    for fixed in (False, True):
        graph = core.read_model(folder / f"{name}.xml")
        if fixed:
            graph.reshape([1, *picture.shape])
        found = core.compile_model(graph, "CPU")([picture[None]])
        worst = max(worst, float(np.abs(found["scores"][0] - scores).max()))
        sure = scores > 0.3
        apart = float(np.abs(found["boxes"][0][sure] - boxes[sure]).max(initial=0.0)) / max(
            picture.shape[:2]
        )
        if worst > 0.03 or apart > 0.02:
            raise ExportError(
                f"{name}: IR and torch differ on {picture.shape[1]}x{picture.shape[0]} (score "
                f"{worst:.3f}, box {apart:.3f}); export with the library versions of the "
                f"training extra"
            )
    return worst


def verify_classifier(
    model: CropClassifier, size: int, temperature: float, file: Path, crops: list[Pixels]
) -> float:
    """Compare IR with torch on crops of any size; the largest difference.

    Raises ExportError over 0.03.
    """
    compiled = openvino.Core().compile_model(file, "CPU")
    worst = 0.0
    for crop in crops:
        expected = reference_probabilities(model, crop, size, temperature)
        found = compiled([np.stack([crop, crop])])["probabilities"]
        worst = max(worst, float(np.abs(found - expected).max()))
    if worst > 0.03:
        raise ExportError(
            f"{file.stem}: IR and torch differ by {worst:.3f}; export with the library versions of "
            f"the training extra"
        )
    return worst


def sample_pictures() -> list[Pixels]:
    """Pictures with edges at all scales, of odd sizes, for the comparison."""
    rng = np.random.default_rng(11)
    pictures = []
    for width, height in ((640, 480), (333, 500), (97, 61)):
        noise = rng.integers(0, 256, (height // 12 + 1, width // 12 + 1, 3), np.uint8)
        pictures.append(
            np.asarray(cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
        )
    return pictures
