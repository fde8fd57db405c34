"""The models as ONNX, for runtimes other than OpenVINO: the same inputs, outputs and weights.

An ONNX file is made of the IR beside it: the IR's weights are read back into the network, so both
have the same 16-bit values, and the figures of the card hold for both. Preprocessing and decoding
are in the graph as docs/decisions/0001-model-contract.md lays down. `metadata_props` holds what the
IR says in `rt_info/model_info`.
"""

import copy
import io
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn
from torch.nn import functional
from torch.onnx.operators import shape_as_tensor

from training.boxes.resizing import FILL
from training.errors import ExportError
from training.graphs.folded_weights import read_back
from training.graphs.inference import Network
from training.graphs.model_files import name_onnx
from training.networks.classifier import CropClassifier
from training.networks.detector import MULTIPLE, FaceDetector, anchor_points, decode
from training.networks.normalisation import MEAN, SCALE
from training.records.pictures import Pixels

OPSET = 17
"""Version of ONNX's operators: of 2022, which every current runtime reads."""

SAME = 1e-4
"""Largest difference between a score of the ONNX file and of the IR, both in 32 bits.

A side of a box may differ by this share of the picture's longer side."""


def _triangle_weights(inside: torch.Tensor, outside: torch.Tensor) -> torch.Tensor:
    """Compute the weights of Pillow's BILINEAR filter, as `camera_graph` does for the IR.

    Args:
        inside: Length of the input, i64.
        outside: Length of the output, i64.

    Returns:
        Weights [outside, inside].
    """
    step = inside.float() / outside.float()
    places = torch.arange(inside).float()[None] + 0.5  # type: ignore[call-overload]
    wanted = torch.arange(outside).float()[:, None] + 0.5  # type: ignore[call-overload]
    weights = functional.relu(1 - (places - wanted * step).abs() / step.clamp(min=1.0))
    return weights / weights.sum(1, keepdim=True)


def _resized(image: torch.Tensor, height: torch.Tensor, width: torch.Tensor) -> torch.Tensor:
    """Resize pictures, antialiased when shrinking: NHWC u8 → NCHW f32."""
    sides = shape_as_tensor(image)
    across = _triangle_weights(sides[2], width)
    down = _triangle_weights(sides[1], height)
    return down @ (image.permute(0, 3, 1, 2).float() @ across.T)


class _CameraDetector(nn.Module):
    """`image` u8 [1, H, W, 3] → `boxes` f32 [1, N, 4] in the image's pixels, `scores` [1, N]."""

    def __init__(self, network: FaceDetector, size: int) -> None:
        super().__init__()
        self.network = network
        self.size = float(size)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        sides = shape_as_tensor(image)[1:3]
        inner = (sides.float() * (self.size / sides.max().float())).round().clamp(min=1).long()
        small = _resized(image, inner[0], inner[1])
        missing = torch.remainder(-inner, MULTIPLE)
        filled = functional.pad(small, (0, missing[1], 0, missing[0]), value=float(FILL))  # type: ignore[arg-type]
        logits, raw = self.network((filled - MEAN) / SCALE)
        boxes = decode(raw, anchor_points(filled.shape[2], filled.shape[3]))
        limits = sides[[1, 0, 1, 0]].float()
        pixels = boxes * (limits / inner[[1, 0, 1, 0]].float())
        return torch.minimum(pixels.clamp(min=0), limits), logits.sigmoid()


class _CameraClassifier(nn.Module):
    """`image` u8 [B, H, W, 3] → `probabilities` f32 [B, labels], of crop and mirror image."""

    def __init__(self, network: CropClassifier, size: int, temperature: float) -> None:
        super().__init__()
        self.network = network
        self.temperature = temperature
        self.register_buffer("side", torch.tensor(size))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        side = self.get_buffer("side")
        small = (_resized(image, side, side) - MEAN) / SCALE
        logits = self.network(torch.cat([small, small.flip(3)]))
        mean = logits.reshape(2, -1, logits.shape[1]).mean(0)
        return functional.softmax(mean / self.temperature, 1)


def _converted(module: nn.Module, outputs: Sequence[str]) -> onnx.ModelProto:
    axes = {0: "batch", 1: "height", 2: "width"}
    if "boxes" in outputs:
        del axes[0]
    given: dict[str, dict[int, str]] = {"image": axes}
    given |= {name: {1: "anchors"} if "boxes" in outputs else {0: "batch"} for name in outputs}
    file = io.BytesIO()
    with warnings.catch_warnings():
        # torch's newer exporter needs a library more (onnxscript). The version of torch is fixed
        # in pyproject.toml, so the older one cannot vanish unnoticed.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            (torch.zeros(1 if "boxes" in outputs else 2, 61, 97, 3, dtype=torch.uint8),),
            file,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=OPSET,
            input_names=["image"],
            output_names=list(outputs),
            dynamic_axes=given,
        )
    return onnx.load_from_string(file.getvalue())


def write_onnx(
    folder: Path,
    row: dict[str, Any],
    network: FaceDetector | CropClassifier,
    pictures: Sequence[Pixels],
) -> float:
    """Write the ONNX file of an exported model beside its IR, and name it in the manifest.

    Args:
        folder: The models' folder.
        row: The model's row of the manifest, of precision FP16.
        network: A network of its architecture; it is not changed.
        pictures: BGR u8 [H, W, 3], on which the ONNX file and the IR are compared.

    Returns:
        The largest difference of a score.

    Raises:
        ExportError: The ONNX file gives other answers than the IR; it is not written.
        UnfitModelError: The network is of another architecture than the model.
    """
    source = next(folder / name for name in row["files"] if name.endswith(".xml"))
    same = copy.deepcopy(network).cpu().eval()
    read_back(source, same)
    side = int(row["input"][0])
    if isinstance(same, FaceDetector):
        model = _converted(_CameraDetector(same, side), ("boxes", "scores"))
    else:
        temperature = float(row["figures"]["temperature"])
        model = _converted(_CameraClassifier(same, side, temperature), ("probabilities",))
    ir = Network(source)
    said = dict(ir.info) | {"precision": row["precision"]}
    if row.get("accepted_risks"):
        said["accepted_risks"] = json.dumps(row["accepted_risks"])
    onnx.helper.set_model_props(model, said)
    model.producer_name, model.model_version = "maskgate", 1
    model.graph.name = row["name"]
    onnx.checker.check_model(model, full_check=True)
    partial = folder / f"new-{row['name']}.onnx"
    partial.write_bytes(model.SerializeToString())
    try:
        converted = Network(partial)
        worst = float(np.max([_difference(converted, ir, picture) for picture in pictures]))
        if not worst <= SAME:  # also where it is not a number
            raise ExportError(
                f"{row['name']}: ONNX and IR differ by {worst:.5f}, more than {SAME}; the IR is "
                "installed and right, and no ONNX file was written. Export with the library "
                "versions of the training extra"
            )
        name_onnx(folder, row, partial)
    finally:
        partial.unlink(missing_ok=True)
    return worst


def _difference(converted: Network, ir: Network, picture: Pixels) -> float:
    """Return the largest difference of a score, or of a box as a share of the longer side."""
    given = np.ascontiguousarray(picture)[None]
    found, expected = converted.infer(given), ir.infer(given)
    longest = {"boxes": float(max(picture.shape[:2]))}
    return float(
        np.max([np.abs(found[n] - expected[n]).max() / longest.get(n, 1.0) for n in expected])
    )
