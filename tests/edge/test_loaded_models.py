from pathlib import Path

import pytest
from pydantic import SecretStr

from cloud.contract import ModelOrder
from edge import doctor, loaded_models
from edge.doctor import CheckStatus
from edge.manifest import Role
from edge.model_updates.installed import InstalledModels
from edge.settings import Settings
from tests.edge import standins


def installed_package(state: Path) -> Path:
    """A state folder in which stand-in models came from the cloud; returns their folder."""
    installed = InstalledModels(state / "models")
    sha256 = "ab" * 32
    folder = standins.write(installed.package_folder(sha256))
    installed.install(ModelOrder(role="classifier", sha256=sha256, size=1, version="9", path="/v1"))
    installed.confirm(Role.CLASSIFIER)
    return folder


def test_a_model_from_the_cloud_runs_and_the_doctor_tells_from_where(tmp_path: Path) -> None:
    installed_package(tmp_path)
    settings = Settings(state_dir=tmp_path)
    models = loaded_models.load(settings)
    assert models.origins == {
        "detector": "comes with the edge",
        "classifier": "from the cloud, version 9",
    }
    assert models.fallbacks == {}
    check = next(doctor.run_checks(settings))
    assert "from the cloud, version 9" in check.detail


def test_a_model_stays_compiled_for_the_sizes_of_all_cameras(
    models_dir: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    settings = Settings(
        state_dir=tmp_path,
        model_cache_dir=cache,
        detector=models_dir / "detector.xml",
        classifier=models_dir / "classifier.xml",
        cameras=SecretStr("b=rtsp://b c=rtsp://c d=rtsp://d e=rtsp://e"),
    )
    detector = loaded_models.load(settings).detector
    sizes = [(240, 320), (180, 320), (320, 240), (320, 180), (240, 240)]
    for size in sizes:
        detector.expect(*size)
    for blob in cache.glob("*.blob"):
        blob.unlink()
    for size in sizes:
        detector.expect(*size)
    assert not list(cache.glob("*.blob")), "a model was compiled again"


@pytest.mark.parametrize("garbage", [b"", b"garbage" * 99])
def test_garbage_in_its_place_falls_back_to_the_model_that_comes_with_the_edge(
    tmp_path: Path, garbage: bytes
) -> None:
    folder = installed_package(tmp_path)
    (folder / "classifier.bin").write_bytes(garbage)
    settings = Settings(state_dir=tmp_path)
    models = loaded_models.load(settings)
    assert models.origins["classifier"] == "comes with the edge"
    assert "SHA-256" in models.fallbacks["classifier"]
    check = next(doctor.run_checks(settings))
    assert check.status is CheckStatus.WARN
    assert "models update" in check.mend
