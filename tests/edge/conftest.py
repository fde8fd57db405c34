"""What the edge's tests share: stand-in models, and an environment without settings."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from edge import inference
from edge.faces import FaceDetector
from edge.loaded_models import LoadedModels
from edge.manifest import Role, find
from edge.masks import MaskClassifier
from tests.edge import standins
from tests.edge.cloud_double import CloudDouble, enrolled, serving


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
        FaceDetector(inference.load(find(Role.DETECTOR, models_dir))),
        MaskClassifier(inference.load(find(Role.CLASSIFIER, models_dir))),
    )


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
