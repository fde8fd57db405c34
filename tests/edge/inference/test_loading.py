import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from edge.errors import ModelAlteredError, ModelMissingError, ModelUnfitError
from edge.faces import FaceDetector
from edge.inference import loading
from edge.manifest import Role, find
from edge.settings import Precision
from tests.edge import standins


@pytest.fixture
def folder(models_dir: Path, tmp_path: Path) -> Path:
    """A copy of the stand-in models that may be damaged."""
    return Path(shutil.copytree(models_dir, tmp_path / "models"))


def test_a_model_of_ones_own_is_found_by_its_path(models_dir: Path, tmp_path: Path) -> None:
    files = find(Role.CLASSIFIER, tmp_path, models_dir / "classifier.xml")
    assert files.folder == models_dir


def test_the_digest_is_what_sha256sum_prints(models_dir: Path) -> None:
    files = find(Role.DETECTOR, models_dir)
    command = "sha256sum detector.bin detector.xml | sha256sum"
    printed = subprocess.run(
        command, shell=True, cwd=models_dir, capture_output=True, text=True, check=True
    )
    assert files.digest == printed.stdout.split()[0]


@pytest.mark.parametrize("name", ["detector.xml", "detector.bin"])
def test_an_altered_file_is_refused_with_its_name_and_both_hashes(folder: Path, name: str) -> None:
    path = folder / name
    path.write_bytes(path.read_bytes() + b" ")
    files = find(Role.DETECTOR, folder)
    with pytest.raises(ModelAlteredError) as caught:
        loading.load(files)
    actual = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True)
    assert str(path) in caught.value.problem
    assert files.sha256[name] in caught.value.problem
    assert actual.stdout.split()[0] in caught.value.problem
    assert caught.value.mend


@pytest.mark.parametrize("name", ["detector.xml", "detector.bin"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelMissingError, match=name):
        loading.load(find(Role.DETECTOR, folder))


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError, match=r"manifest\.json"):
        find(Role.DETECTOR, tmp_path)


def test_a_model_that_the_manifest_does_not_name_is_refused(folder: Path) -> None:
    with pytest.raises(ModelMissingError, match=r"other\.xml"):
        find(Role.DETECTOR, folder, folder / "other.xml")


@pytest.mark.parametrize(
    "manifest",
    ["", "[]", '{"schema": 2, "models": []}', '{"schema": 1, "models": [{"name": "a"}]}'],
)
def test_a_damaged_manifest_is_refused(folder: Path, manifest: str) -> None:
    (folder / "manifest.json").write_text(manifest)
    with pytest.raises(ModelUnfitError, match=r"manifest\.json is damaged"):
        find(Role.DETECTOR, folder)


def test_a_classifier_is_no_detector(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["models"][1]["role"] = "detector"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelUnfitError, match="is a mask_classifier, not a face_detector"):
        loading.load(find(Role.DETECTOR, folder, folder / "classifier.xml"))


@pytest.mark.parametrize("role", [Role.DETECTOR, Role.CLASSIFIER])
def test_every_needed_key_is_missed(tmp_path: Path, role: Role) -> None:
    needed = set(standins.INFO[role]) - {"input_size"}
    for key in needed:
        info = {name: value for name, value in standins.INFO[role].items() if name != key}
        folder = standins.write(tmp_path / key, **{role.value: info})
        with pytest.raises(ModelUnfitError, match=f"model_info/{key}"):
            loading.load(find(role, folder))


def test_something_else_is_no_model(folder: Path) -> None:
    (folder / "detector.xml").write_bytes(b"<html></html>")
    manifest = json.loads((folder / "manifest.json").read_text())
    actual = hashlib.sha256(b"<html></html>").hexdigest()
    manifest["models"][0]["files"]["detector.xml"] = actual
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelUnfitError, match="not an OpenVINO IR"):
        loading.load(find(Role.DETECTOR, folder))


def test_a_device_that_is_not_here_is_named(models_dir: Path) -> None:
    with pytest.raises(ModelUnfitError, match=r"no inference device NPU9 \(it has .*CPU"):
        loading.load(find(Role.DETECTOR, models_dir), device="NPU9")


def test_compiled_models_are_kept_where_a_setting_says(models_dir: Path, tmp_path: Path) -> None:
    network = loading.load(find(Role.DETECTOR, models_dir), cache_dir=tmp_path / "c")
    network.expect(240, 320)
    assert any((tmp_path / "c").iterdir())


@pytest.mark.parametrize("value", ["1.5", "half"])
def test_a_threshold_without_meaning_is_refused(tmp_path: Path, value: str) -> None:
    info = standins.INFO["detector"] | {"confidence_threshold": value}
    folder = standins.write(tmp_path, detector=info)
    network = loading.load(find(Role.DETECTOR, folder))
    with pytest.raises(ModelUnfitError, match="confidence_threshold"):
        FaceDetector(network)


def write_variants(folder: Path) -> Path:
    """The stand-ins under two precisions each."""
    standins.write(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    doubled = []
    for entry in manifest["models"]:
        doubled.append(entry | {"precision": "FP16"})
        files = {}
        for name, digest in entry["files"].items():
            other = name.replace(".", "-int8.")
            shutil.copy(folder / name, folder / other)
            files[other] = digest
        doubled.append(entry | {"precision": "INT8", "files": files})
    (folder / "manifest.json").write_text(json.dumps(manifest | {"models": doubled}))
    return folder


def test_a_precision_is_chosen_from_the_manifest(tmp_path: Path) -> None:
    folder = write_variants(tmp_path)

    def chosen(precision: Precision, preferred: Precision) -> str:
        return find(Role.DETECTOR, folder, precision=precision, preferred=preferred).precision

    assert chosen(Precision.AUTO, Precision.INT8) == "INT8"
    assert chosen(Precision.AUTO, Precision.FP16) == "FP16"
    assert chosen(Precision.FP16, Precision.INT8) == "FP16"
    assert chosen(Precision.INT8, Precision.FP16) == "INT8"
    eight = find(Role.CLASSIFIER, folder, precision=Precision.INT8)
    assert set(eight.sha256) == {"classifier-int8.xml", "classifier-int8.bin"}
    assert loading.load(eight).infer(standins.picture(standins.GREEN))["probabilities"][0] > 0.5


def test_a_file_that_is_named_is_taken_whatever_its_precision(tmp_path: Path) -> None:
    folder = write_variants(tmp_path)
    path = folder / "detector-int8.xml"
    assert find(Role.DETECTOR, folder, path, precision=Precision.FP16).precision == "INT8"


def test_what_the_manifest_lacks_is_named_when_it_was_asked_for(models_dir: Path) -> None:
    # The stand-ins are FP32: whatever would suit the machine, they are what there is.
    assert find(Role.DETECTOR, models_dir, preferred=Precision.INT8).precision == "FP32"
    with pytest.raises(ModelMissingError, match=r"no detector of precision INT8, only FP32\. Set"):
        find(Role.DETECTOR, models_dir, precision=Precision.INT8)
