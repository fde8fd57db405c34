"""The ONNX file of a model says and answers what its IR does, in another runtime too."""

import json
import shutil
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx.reference import ReferenceEvaluator

from tests.training.untrained import MASKS
from training.errors import ExportError, UnfitModelError
from training.graphs.camera_graph import classifier_graph
from training.graphs.inference import Network
from training.graphs.model_files import (
    describe,
    install,
    replace_models,
    rows_of,
    sample_pictures,
)
from training.graphs.onnx_files import write_onnx
from training.networks.classifier import CropClassifier, MaskClassifier
from training.networks.detector import FaceDetector

PICTURES = sample_pictures()
GENDER = replace(MASKS, name="gender-head", role="gender", labels=("female", "male"))


@pytest.fixture(scope="module")
def exported(
    models: Path,
    tmp_path_factory: pytest.TempPathFactory,
    detector: FaceDetector,
    classifier: MaskClassifier,
) -> Path:
    """A detector, a classifier whose risk somebody accepted, and a gender head; with ONNX files."""
    folder = tmp_path_factory.mktemp("onnx") / "models"
    shutil.copytree(models, folder)
    torch.manual_seed(2)
    head = MaskClassifier(0.25, 2)
    head.load_state_dict(
        classifier.state_dict()
        | {k: v for k, v in head.state_dict().items() if k.startswith("head")}
    )
    networks: dict[str, FaceDetector | CropClassifier] = {
        "detector": detector,
        "classifier": classifier,
        "gender": head.eval(),
    }
    risky = replace(MASKS, accepted_risks=("It admits more.",), untested_labels=("incorrect_mask",))
    for each in (risky, GENDER):
        row = replace(each, figures={"temperature": 1.7})
        graph = classifier_graph(networks[each.role], 48, 1.7)  # type: ignore[arg-type]
        describe(graph, row, 0.2)
        install(graph, row, folder)
    for written in rows_of(folder):
        write_onnx(folder, written, networks[written["role"]], PICTURES)
    return folder


@pytest.mark.parametrize("name", ["face-detector", "mask-classifier", "gender-head"])
def test_openvino_and_another_runtime_give_the_answers_of_the_ir(exported: Path, name: str) -> None:
    file = exported / f"{name}.onnx"
    ir, read, other = (
        Network(exported / f"{name}.xml"),
        Network(file),
        ReferenceEvaluator(str(file)),
    )
    for picture in PICTURES[1:]:
        # The detector takes one picture, the others take several crops of one size.
        given = np.stack([picture] if name == "face-detector" else [picture, picture[:, ::-1]])
        expected, found = ir.infer(given), read.infer(given)
        elsewhere = dict(zip(other.output_names, other.run(None, {"image": given}), strict=True))
        assert set(elsewhere) == set(expected)
        for output, values in expected.items():
            limit = 1e-4 * (max(picture.shape[:2]) if output == "boxes" else 1)
            np.testing.assert_allclose(found[output], values, atol=limit, rtol=0)
            np.testing.assert_allclose(elsewhere[output], values, atol=limit, rtol=0)


def test_the_file_says_what_the_ir_says_and_what_was_accepted(exported: Path) -> None:
    for row in rows_of(exported):
        model = onnx.load(exported / f"{row['name']}.onnx")
        said = {p.key: p.value for p in model.metadata_props}
        risks = json.loads(said.pop("accepted_risks", "[]"))
        assert risks == row.get("accepted_risks", [])
        assert said.pop("precision") == "FP16"
        assert said == dict(Network(exported / f"{row['name']}.xml").info)
        assert said["labels"] == " ".join(row["labels"])
    assert said["confidence_threshold"] == "0.6"


def test_the_manifest_names_the_file_apart_from_those_that_the_edge_reads(exported: Path) -> None:
    for row in rows_of(exported):
        name = f"{row['name']}.onnx"
        assert row["onnx"] == {name: sha256((exported / name).read_bytes()).hexdigest()}
        assert set(row["files"]) == {f"{row['name']}.xml", f"{row['name']}.bin"}


def test_the_file_goes_with_the_model_that_it_was_made_of(
    exported: Path, tmp_path: Path, classifier: MaskClassifier
) -> None:
    folder = tmp_path / "models"
    shutil.copytree(exported, folder)
    graph = classifier_graph(classifier, 48, 1.0)
    describe(graph, MASKS, 0.2)
    install(graph, MASKS, folder / "trial")
    replace_models(folder / "trial", folder)
    assert sorted(p.name for p in folder.glob("*.onnx")) == [
        "face-detector.onnx",
        "gender-head.onnx",
    ]


def test_a_file_that_answers_otherwise_is_not_written(
    models: Path, tmp_path: Path, classifier: MaskClassifier
) -> None:
    folder = tmp_path / "models"
    shutil.copytree(models, folder)
    (row,) = [m for m in rows_of(folder) if m["role"] == "classifier"]
    before = sorted(p.name for p in folder.iterdir())
    row["figures"] = {"temperature": 0.01}
    with pytest.raises(ExportError, match="ONNX and IR differ by"):
        write_onnx(folder, row, classifier, PICTURES)
    with pytest.raises(UnfitModelError, match="of another width"):
        write_onnx(folder, row, MaskClassifier(0.5), PICTURES)
    assert sorted(p.name for p in folder.iterdir()) == before
