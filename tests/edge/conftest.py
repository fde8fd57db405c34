"""What the edge's tests share: stand-in models, and an environment without settings."""

import os
from pathlib import Path

import pytest

from edge import inference
from edge.faces import FaceDetector
from edge.inference import Role
from edge.installation import Models
from edge.masks import MaskClassifier
from tests.edge import standins


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("EDGE_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of stand-in models with their manifest; not to be written to."""
    return standins.write(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def models(models_dir: Path) -> Models:
    """The stand-in models, loaded."""
    return Models(
        FaceDetector(inference.load(inference.find(Role.DETECTOR, models_dir))),
        MaskClassifier(inference.load(inference.find(Role.CLASSIFIER, models_dir))),
    )
