"""LoadedModels of one's own: a tiny ONNX that a test makes, and YuNet where its file is present."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from cloud.contract import Label
from edge import loaded_models, sidecar
from edge.decoding import decode
from edge.errors import ModelAlteredError, ModelError, ModelMissingError, ModelUnfitError
from edge.manifest import Role
from edge.settings import Settings
from edge.sidecar import Sidecar
from edge.values import Box, Face
from tests.edge import standins

PEERS = Path(os.environ.get("MASKGATE_PEERS", Path(__file__).parents[3] / "shared/peers"))
YUNET = PEERS / "yunet_n_320_320.onnx"

CLASSIFIER: dict[str, Any] = {
    "schema": 1,
    "role": "classifier",
    "name": "Means",
    "input": {"size": [32, 32], "colour": "rgb", "mean": [0, 0, 0], "scale": [25, 25, 25]},
    "output": {
        "kind": "probabilities",
        "labels": ["without_mask", "with_mask", "incorrect_mask"],
        "activation": "softmax",
    },
}
DETECTOR: dict[str, Any] = {
    "schema": 1,
    "role": "detector",
    "input": {"size": [320, 240], "colour": "bgr"},
    "output": {"kind": "boxes", "scores": "sure", "face_columns": [1, 2], "confidence": 0.4},
}


def write_means(folder: Path) -> Path:
    """An ONNX of one layer, [1, 3, 32, 32] → [1, 3]: the mean of each colour."""
    shapes = [("picture", [1, 3, 32, 32]), ("means", [1, 3])]
    inside, outside = (helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes)
    same = helper.make_tensor("same", TensorProto.FLOAT, [3, 3, 1, 1], np.eye(3).flatten())
    nodes = [
        helper.make_node("Conv", ["picture", "same"], ["planes"]),
        helper.make_node("ReduceMean", ["planes"], ["means"], axes=[2, 3], keepdims=0),
    ]
    graph = helper.make_graph(nodes, "means", [inside], [outside], [same])
    return save(graph, folder / "means.onnx")


def write_boxes(folder: Path) -> Path:
    """An ONNX that finds the same two faces in every picture of 320×240, as fractions of it."""
    found = {
        "boxes": np.array([[[0.25, 0.25, 0.5, 0.75], [0.5, 0.0, 0.75, 0.25]]], np.float32),
        "sure": np.array([[[0.2, 0.5, 0.3], [0.9, 0.05, 0.05]]], np.float32),
    }
    picture = helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, 240, 320])
    nodes = [
        helper.make_node("ReduceMax", ["picture"], ["most"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Sub", ["most", "most"], ["none"]),
    ]
    outputs, constants = [], []
    for name, values in found.items():
        constants.append(
            helper.make_tensor(f"{name}_said", TensorProto.FLOAT, values.shape, values.flatten())
        )
        nodes.append(helper.make_node("Add", [f"{name}_said", "none"], [name]))
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, values.shape))
    graph = helper.make_graph(nodes, "boxes", [picture], outputs, constants)
    return save(graph, folder / "boxes.onnx")


def save(graph: Any, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def described(model: Path, said: dict[str, Any]) -> Path:
    model.with_suffix(".json").write_text(json.dumps(said))
    return model


def settings_of(models_dir: Path, **named: Path) -> Settings:
    """The stand-ins, but for what is named."""
    paths = {role: models_dir / f"{role}.xml" for role in ("detector", "classifier")}
    return Settings(**(paths | named))  # type: ignore[arg-type]


def test_a_classifier_of_ones_own_judges(tmp_path: Path, models_dir: Path) -> None:
    path = described(write_means(tmp_path), CLASSIFIER)
    models = loaded_models.load(settings_of(models_dir, classifier=path))
    models.classifier.make_ready()
    face = Face(Box(100, 60, 180, 140), 0.9)
    # Its columns are the means of red, green and blue: the sidecar asked for RGB.
    for colour, label in (
        (standins.RED, Label.WITHOUT_MASK),
        (standins.GREEN, Label.WITH_MASK),
        (standins.BLUE, Label.INCORRECT_MASK),
    ):
        (judgement,) = models.classifier.judge(standins.picture(colour), [face])
        assert judgement.label is label
        assert judgement.confidence > 0.9
        assert sum(judgement.probabilities.values()) == pytest.approx(1)
    hashed = hashlib.sha256(path.read_bytes()).hexdigest()
    listing = f"{hashed}  means.onnx\n".encode()
    assert models.digests["classifier"] == hashlib.sha256(listing).hexdigest()


@pytest.mark.parametrize("size", [(240, 320), (480, 640), (480, 1280)])
def test_a_detector_of_ones_own_finds_faces_in_the_pictures_pixels(
    tmp_path: Path, models_dir: Path, size: tuple[int, int]
) -> None:
    path = described(write_boxes(tmp_path), DETECTOR)
    detector = loaded_models.load(settings_of(models_dir, detector=path)).detector
    detector.expect(*size)
    (face,) = detector.detect(standins.picture(standins.RED, size=size))
    # Scaled by the tighter side into 320×240; the second box is under the threshold.
    scale = min(320 / size[1], 240 / size[0])
    expected = np.array([80, 60, 160, 180]) / scale
    clipped = np.minimum(expected, [size[1], size[0]] * 2)
    found = [face.box.x0, face.box.y0, face.box.x1, face.box.y1]
    assert found == pytest.approx(clipped.tolist())
    assert face.score == pytest.approx(0.8)


def test_a_sidecar_may_be_toml(tmp_path: Path, models_dir: Path) -> None:
    path = write_means(tmp_path)
    path.with_suffix(".toml").write_text(
        'role = "classifier"\n[input]\nsize = [32, 32]\nscale = [25, 25, 25]\n'
        '[output]\nkind = "probabilities"\nactivation = "softmax"\n'
        'labels = ["without_mask", "with_mask", "incorrect_mask"]\n'
    )
    models = loaded_models.load(settings_of(models_dir, classifier=path))
    face = Face(Box(100, 60, 180, 140), 0.9)
    (judgement,) = models.classifier.judge(standins.picture(standins.GREEN), [face])
    assert judgement.label is Label.WITH_MASK


def changed(said: dict[str, Any], part: str, **fields: Any) -> dict[str, Any]:
    return said | {part: said[part] | fields} if part else said | fields


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (changed(CLASSIFIER, "", colour="bgr"), "colour: Extra inputs"),
        (changed(CLASSIFIER, "input", size=[0, 32]), "input.size"),
        (changed(CLASSIFIER, "input", scale=[1, 0, 1]), "scale holds 0"),
        (changed(CLASSIFIER, "output", kind="argmax"), "output.*argmax.*probabilities"),
        (changed(CLASSIFIER, "output", labels=["mask", "no_mask"]), "output.*labels"),
        (changed(CLASSIFIER, "output", labels=["with_mask"] * 2), "one label twice"),
        (changed(CLASSIFIER, "output", labels=["without_mask", "incorrect_mask"]), "lacks with_"),
        (changed(CLASSIFIER, "output", name="logits"), r"no output 'logits'.*there are means"),
        (changed(CLASSIFIER, "output", labels=["with_mask", "without_mask"]), "3 numbers for the"),
        (changed(CLASSIFIER, "input", layout="nhwc"), r"input.layout nhwc with input.size 32×32"),
        (changed(CLASSIFIER, "", role="detector"), "detector cannot have an output"),
        (DETECTOR, "role is detector, but a setting names the model as the classifier"),
    ],
)
def test_what_is_wrong_is_named_with_its_file_and_field(
    tmp_path: Path, models_dir: Path, said: dict[str, Any], words: str
) -> None:
    path = described(write_means(tmp_path), said)
    with pytest.raises(ModelError, match=words) as caught:
        loaded_models.load(settings_of(models_dir, classifier=path)).classifier.make_ready()
    assert "means" in caught.value.problem or "output kind" in caught.value.problem
    assert caught.value.mend


@pytest.mark.parametrize(("name", "text"), [("json", "{"), ("toml", "role = "), ("json", "[]")])
def test_a_sidecar_that_is_none_is_named(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / f"model.{name}"
    path.write_text(text)
    with pytest.raises(ModelUnfitError, match=f"model.{name}"):
        sidecar.read(path, Role.DETECTOR)


def test_a_model_without_any_description_is_refused(tmp_path: Path, models_dir: Path) -> None:
    with pytest.raises(ModelMissingError, match=r"means\.json or means\.toml.*Bring your own"):
        loaded_models.load(settings_of(models_dir, classifier=write_means(tmp_path)))


def test_a_file_that_is_not_the_one_described_is_refused(tmp_path: Path, models_dir: Path) -> None:
    path = described(write_means(tmp_path), CLASSIFIER | {"sha256": "0" * 64})
    with pytest.raises(ModelAlteredError, match="its sidecar says 0000"):
        loaded_models.load(settings_of(models_dir, classifier=path))
    path.unlink()
    with pytest.raises(ModelMissingError, match=r"means\.onnx cannot be read"):
        loaded_models.load(settings_of(models_dir, classifier=path))


def test_something_else_is_no_model(tmp_path: Path, models_dir: Path) -> None:
    path = described(write_means(tmp_path), CLASSIFIER)
    path.write_bytes(b"<html></html>")
    with pytest.raises(ModelUnfitError, match="cannot be read by OpenVINO"):
        loaded_models.load(settings_of(models_dir, classifier=path))


def output_of(**fields: Any) -> Any:
    role = "classifier" if fields["kind"] == "probabilities" else "detector"
    said = {"role": role, "input": {"size": [64, 32]}, "output": fields}
    return Sidecar.model_validate(said).output


def test_each_way_of_writing_a_box_is_read() -> None:
    scores = np.array([[0.9]], np.float32)
    ways = {"x0y0x1y1": [8, 4, 24, 20], "x0y0wh": [8, 4, 16, 16], "cxcywh": [16, 12, 16, 16]}
    for corners, numbers in ways.items():
        output = output_of(kind="boxes", corners=corners, unit="pixel")
        arrays = {"boxes": np.array([[numbers]], np.float32), "scores": scores}
        assert decode(output, arrays, 32, 64)["boxes"].tolist() == [[8, 4, 24, 20]]


@pytest.mark.parametrize(
    ("activation", "row", "expected"),
    [
        ("none", [0.3, 0.7], [0.3, 0.7]),
        ("none", [0.3], [0.3, 0.7]),
        ("sigmoid", [0.0], [0.5, 0.5]),
        ("sigmoid", [2.0, -2.0], [0.8808, 0.1192]),
        ("softmax", [1000.0, 1000.0], [0.5, 0.5]),
    ],
)
def test_two_classes_come_in_one_column_or_two(
    activation: str, row: list[float], expected: list[float]
) -> None:
    labels = ["without_mask", "with_mask"]
    output = output_of(kind="probabilities", activation=activation, labels=labels)
    found = decode(output, {"any": np.array([row], np.float32)}, 32, 32)["probabilities"]
    assert found == pytest.approx(expected, abs=1e-4)


def test_yunets_cells_are_counted_row_by_row() -> None:
    output = output_of(kind="yunet", strides=[8])
    cells = 8 * 4  # 64×32 pixels
    arrays = {
        "cls_8": np.zeros((1, cells, 1), np.float32),
        "obj_8": np.ones((1, cells, 1), np.float32),
        "bbox_8": np.zeros((1, cells, 4), np.float32),
    }
    arrays["cls_8"][0, 10] = 0.81  # second row, third column
    arrays["bbox_8"][0, 10] = [0.5, 0.25, np.log(2), np.log(3)]
    found = decode(output, arrays, 32, 64)
    assert found["scores"][10] == pytest.approx(0.9)
    assert found["boxes"][10].tolist() == pytest.approx([12, -2, 28, 22], abs=1e-5)


@pytest.mark.skipif(not YUNET.is_file(), reason=f"{YUNET} is not here; MASKGATE_PEERS names it")
def test_yunet_works_and_agrees_with_opencv(tmp_path: Path, models_dir: Path) -> None:
    """The same boxes as OpenCV's own FaceDetectorYN, on a drawn face."""
    path = tmp_path / "yunet.onnx"
    path.write_bytes(YUNET.read_bytes())
    said = {
        "role": "detector",
        "input": {"size": [320, 320], "colour": "bgr"},
        "output": {"kind": "yunet", "confidence": 0.02, "iou": 0.3},
    }
    described(path, said)
    detector = loaded_models.load(settings_of(models_dir, detector=path)).detector
    picture = drawn_face()
    peer = cv2.FaceDetectorYN.create(str(YUNET), "", (320, 320), 0.02, 0.3)
    _, expected = peer.detect(picture)
    assert expected is not None
    found = detector.detect(picture)
    best = expected[np.argmax(expected[:, 14])]
    x, y, width, height = best[:4]
    box = Box(max(0.0, x), max(0.0, y), min(320.0, x + width), min(320.0, y + height))
    assert found[0].box.iou(box) > 0.95
    assert found[0].score == pytest.approx(float(best[14]), abs=0.01)


def drawn_face() -> np.ndarray:
    picture = np.full((320, 320, 3), (150, 160, 150), np.uint8)
    cv2.ellipse(picture, (160, 160), (62, 82), 0, 0, 360, (140, 170, 215), -1)
    cv2.ellipse(picture, (160, 100), (66, 44), 0, 180, 360, (30, 40, 50), -1)
    for side in (-1, 1):
        cv2.ellipse(picture, (160 + side * 27, 142), (12, 6), 0, 0, 360, (250, 250, 250), -1)
        cv2.circle(picture, (160 + side * 27, 142), 5, (40, 30, 30), -1)
        cv2.line(picture, (160 + side * 15, 127), (160 + side * 40, 126), (40, 50, 60), 4)
    cv2.line(picture, (160, 150), (154, 182), (110, 140, 185), 3)
    cv2.line(picture, (154, 182), (168, 183), (90, 120, 170), 3)
    cv2.ellipse(picture, (160, 207), (24, 8), 0, 0, 360, (90, 90, 190), -1)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 2), np.uint8)
