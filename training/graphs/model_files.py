"""Model files: the OpenVINO IR, what a model says about itself, and the manifest.

docs/decisions/0001-model-contract.md is the contract: preprocessing and decoding are in the graph
(`camera_graph.py`); labels, thresholds and sizes are in `rt_info/model_info`; hashes are in
`manifest.json`.
"""

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import openvino

from training.errors import ExportError
from training.graphs.camera_graph import reference_detection, reference_probabilities
from training.graphs.inference import OPTIONS
from training.networks.classifier import CropClassifier
from training.networks.detector import MULTIPLE, FaceDetector
from training.networks.normalisation import MEAN, SCALE
from training.records.pictures import Pixels
from training.storage import write_json


@dataclass(frozen=True, slots=True)
class Exported:
    """What one exported model is and its measured figures: a row of manifest.json.

    Attributes:
        name: Its name, and the name of its files.
        role: `detector`, `classifier` or `gender`.
        version: For people.
        size: Side in pixels that the network sees.
        labels: In the order of its outputs.
        thresholds: Scores from which it decides, by name, and the smallest face in pixels.
        trained_on: The sets that it was trained on: name, licence, number of pictures.
        figures: What `evaluate` measured.
        precision: Of its weights, `FP16` or `INT8`.
        untested_labels: Labels of which the training or the validation pictures had no face.
        accepted_risks: What speaks against the model and was accepted by name, a sentence each.
    """

    name: str
    role: str
    version: str
    size: int
    labels: tuple[str, ...]
    thresholds: dict[str, float]
    trained_on: list[dict[str, object]]
    figures: dict[str, object]
    precision: str = "FP16"
    untested_labels: tuple[str, ...] = ()
    accepted_risks: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        """The name of its files without suffix.

        The precision that every processor runs has the plain name.
        """
        return self.name if self.precision == "FP16" else f"{self.name}-{self.precision.lower()}"


ROLES = {
    "detector": "face_detector",
    "classifier": "mask_classifier",
    "gender": "gender_classifier",
}
"""What a model of each role calls itself, in the order of the manifest."""


def describe(graph: openvino.Model, exported: Exported, margin: float) -> None:
    """Fill `rt_info/model_info` of a graph; every value is a string.

    Args:
        graph: The graph, which is changed.
        exported: What the model is.
        margin: How much longer a crop's side is than the longer side of the face's box, as a share.
    """
    info = {
        "model_type": ROLES[exported.role],
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
        info["resize"], info["size_multiple"] = "fit", str(MULTIPLE)
        info["iou_threshold"] = str(exported.thresholds["iou"])
        info["blend_iou_threshold"] = str(exported.thresholds["blend_iou"])
        info["blend_score_threshold"] = str(exported.thresholds["blend_score"])
        info["certain_threshold"] = str(exported.thresholds["certain"])
    else:
        info["resize"] = "stretch"
        info["crop_margin"] = str(margin)
        info["min_face_size"] = str(int(exported.thresholds["min_face_size"]))
    if exported.untested_labels:
        info["untested_labels"] = " ".join(exported.untested_labels)
    for key, value in info.items():
        graph.set_rt_info(value, ["model_info", key])


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def install(graph: openvino.Model, exported: Exported, folder: Path) -> None:
    """Write a model's IR and its row of the manifest into a folder.

    Each file is written beside its place and then renamed. The manifest comes last, so that it
    never names a file that is not there.

    Args:
        graph: The model.
        exported: What the model is.
        folder: Where it is written; it is made when missing.

    Raises:
        StorageError: The manifest cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    openvino.save_model(graph, str(folder / "new.xml"), compress_to_fp16=True)
    for suffix in (".bin", ".xml"):
        (folder / f"new{suffix}").replace(folder / f"{exported.stem}{suffix}")
    row: dict[str, Any] = {
        "name": exported.name,
        "role": exported.role,
        "precision": exported.precision,
        "version": exported.version,
        "files": {
            f"{exported.stem}{s}": _sha256(folder / f"{exported.stem}{s}") for s in (".xml", ".bin")
        },
        "input": [exported.size, exported.size],
        "labels": list(exported.labels),
        "thresholds": exported.thresholds,
        "trained_on": exported.trained_on,
        "figures": exported.figures,
    }
    if exported.untested_labels:
        row["untested_labels"] = list(exported.untested_labels)
    if exported.accepted_risks:
        row["accepted_risks"] = list(exported.accepted_risks)
    same = (exported.role, exported.precision)
    others = [m for m in rows_of(folder) if (m["role"], m["precision"]) != same]
    write_rows([*others, row], folder)


def rows_of(folder: Path) -> list[dict[str, Any]]:
    """Read the rows of a folder's manifest; there are none where there is no manifest."""
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        return []
    rows: list[dict[str, Any]] = json.loads(manifest.read_text(encoding="utf-8"))["models"]
    return rows


def write_rows(rows: list[dict[str, Any]], folder: Path) -> None:
    """Write a folder's manifest.

    The rows are sorted by role, and FP16 comes first within a role, because older readers take the
    first row of a role.

    Args:
        rows: A row for each model.
        folder: The models' folder.

    Raises:
        StorageError: The manifest cannot be written.
    """
    order = {role: number for number, role in enumerate(ROLES)}
    rows = sorted(rows, key=lambda m: (order[m["role"]], m["precision"] != "FP16"))
    write_json({"schema": 1, "models": rows}, folder / "manifest.json")


def files_of(row: dict[str, Any]) -> list[str]:
    """Return the names of a row's files, with that of the ONNX file if there is one."""
    return [*row["files"], *row.get("onnx", {})]


def name_onnx(folder: Path, row: dict[str, Any], written: Path) -> None:
    """Rename a model's ONNX file to its place beside the IR, and name it in the manifest.

    It stands under `onnx` and not under `files`: the edge reads and checks the latter at each
    start, and runs the IR.

    Args:
        folder: The models' folder.
        row: The model's row of the manifest.
        written: The file, in the same folder.

    Raises:
        StorageError: The manifest cannot be written.
    """
    name = f"{row['name']}.onnx"
    written.replace(folder / name)
    named = {**row, "onnx": {name: _sha256(folder / name)}}
    same = (row["role"], row["precision"])
    others = [m for m in rows_of(folder) if (m["role"], m["precision"]) != same]
    write_rows([*others, named], folder)


def replace_models(trial: Path, folder: Path) -> None:
    """Move models that passed their checks into the place of those of the same roles.

    Models of other roles stay. The manifest is written after the files, and files that it no longer
    names are deleted.

    Args:
        trial: The folder of the new models; it is deleted.
        folder: The folder of the installed models.

    Raises:
        StorageError: The manifest cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    fresh, before = rows_of(trial), rows_of(folder)
    roles = {m["role"] for m in fresh}
    for name in [n for m in fresh for n in files_of(m)]:
        (trial / name).replace(folder / name)
    kept = [*[m for m in before if m["role"] not in roles], *fresh]
    write_rows(kept, folder)
    named = {n for m in kept for n in files_of(m)}
    for name in {n for m in before for n in files_of(m)} - named:
        (folder / name).unlink(missing_ok=True)
    (trial / "manifest.json").unlink()
    trial.rmdir()


def milliseconds(
    folder: Path, name: str, shape: tuple[int, int, int, int], runs: int = 20
) -> float:
    """Time one inference on this machine's CPU, with the shape of the input fixed.

    Args:
        folder: The model's folder.
        name: Its name without suffix.
        shape: Of the input.
        runs: How many inferences are timed.

    Returns:
        The median in milliseconds.
    """
    core = openvino.Core()
    graph = core.read_model(folder / f"{name}.xml")
    graph.reshape(list(shape))
    compiled = core.compile_model(graph, "CPU", dict(OPTIONS))
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
    """Compare the detector's IR with torch on one picture, for any size and for the picture's size.

    Args:
        model: As trained.
        size: Longer side in pixels that the network sees.
        folder: The IR's folder.
        name: Its name without suffix.
        picture: BGR u8 [H, W, 3].

    Returns:
        The largest difference of a score.

    Raises:
        ExportError: Scores differ by more than 0.03, or boxes with a score over 0.3 by more than 2
            % of the picture.
    """
    boxes, scores = reference_detection(model, picture, size)
    core = openvino.Core()
    worst = 0.0
    for fixed in (False, True):
        graph = core.read_model(folder / f"{name}.xml")
        if fixed:
            graph.reshape([1, *picture.shape])
        found = core.compile_model(graph, "CPU", dict(OPTIONS))([picture[None]])
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
    """Compare the classifier's IR with torch on crops of any size.

    Args:
        model: As trained.
        size: Side in pixels of the square that the network sees.
        temperature: Divides the logits before softmax.
        file: The IR.
        crops: BGR u8 [H, W, 3].

    Returns:
        The largest difference of a probability.

    Raises:
        ExportError: Probabilities differ by more than 0.03.
    """
    compiled = openvino.Core().compile_model(file, "CPU", dict(OPTIONS))
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
    """Make pictures with edges at all scales, of odd sizes, for the comparison with torch."""
    rng = np.random.default_rng(11)
    pictures = []
    for width, height in ((640, 480), (333, 500), (97, 61)):
        noise = rng.integers(0, 256, (height // 12 + 1, width // 12 + 1, 3), np.uint8)
        pictures.append(
            np.asarray(cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
        )
    return pictures
