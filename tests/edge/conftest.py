"""What the edge's tests share: stand-in models, and an environment without settings."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from edge.faces import FaceDetector
from edge.inference import loading
from edge.loaded_models import LoadedModels
from edge.manifest import Role, find
from edge.masks import MaskClassifier
from edge.settings import MODELS_DIR, Precision
from tests.edge import standins
from tests.edge.cloud_double import CloudDouble, enrolled, serving
from tests.edge.delivery.small_disk import mounted


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("EDGE_"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _usual_log() -> Iterator[None]:
    """Begin with the log's default, and leave the log as other packages' tests set it."""
    before = structlog.get_config()
    structlog.reset_defaults()
    yield
    structlog.configure(**before)


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of stand-in models with their manifest; not to be written to."""
    return standins.write(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def models(models_dir: Path) -> LoadedModels:
    """The stand-in models, loaded."""
    return LoadedModels(
        FaceDetector(loading.load(find(Role.DETECTOR, models_dir))),
        MaskClassifier(loading.load(find(Role.CLASSIFIER, models_dir))),
    )


@pytest.fixture(scope="session")
def shipped() -> LoadedModels:
    """The models that come with the edge, in 16 bits as on every processor."""
    files = {role: find(role, MODELS_DIR, precision=Precision.FP16) for role in Role}
    models = LoadedModels(
        FaceDetector(loading.load(files[Role.DETECTOR])),
        MaskClassifier(loading.load(files[Role.CLASSIFIER])),
    )
    models.classifier.make_ready()
    return models


@pytest.fixture
def cloud() -> Iterator[CloudDouble]:
    """A cloud that answers."""
    with serving(CloudDouble()) as double:
        yield double


@pytest.fixture
def installed(
    tmp_path: Path, models_dir: Path, cloud: CloudDouble, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """An environment in which `python -m edge` is enrolled at the double, with the stand-in models.

    Returns:
        The state folder.
    """
    state = tmp_path / "state"
    state.mkdir()
    (state / "device.json").write_text(enrolled(cloud.url))
    (state / "device.json").chmod(0o600)
    monkeypatch.setenv("EDGE_STATE_DIR", str(state))
    monkeypatch.setenv("EDGE_DETECTOR", str(models_dir / "detector.xml"))
    monkeypatch.setenv("EDGE_CLASSIFIER", str(models_dir / "classifier.xml"))
    monkeypatch.setenv("EDGE_DRAIN_TIMEOUT_S", "60")
    return state


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    with mounted(folder):
        yield folder
