"""The best model of a training run, and the figures that `evaluate` wrote into the run's folder."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from training.errors import MissingCheckpointError
from training.networks.architectures import built
from training.networks.checkpoint import Configuration, load
from training.networks.classifier import CropClassifier
from training.networks.detector import FaceDetector
from training.samples.gender_crops import GENDERS

Model = TypeVar("Model", FaceDetector, CropClassifier)


@dataclass(frozen=True, slots=True)
class Trained(Generic[Model]):
    """A run's best model and how it was trained.

    Attributes:
        model: The network with its averaged weights, in evaluation mode.
        configuration: What the network is and how it was trained.
        samples: Training samples of this run.
        samples_before: Training samples of the runs that this run began from.
    """

    model: Model
    configuration: Configuration
    samples: int
    samples_before: int = 0

    @property
    def samples_figures(self) -> dict[str, object]:
        """The rows of `figures.json` that say how many training samples the model has seen.

        `samples_trained` counts all of them; `samples_trained_before` counts those of the earlier
        runs among them, and is there only if the run began from another one.
        """
        figures: dict[str, object] = {"samples_trained": self.samples + self.samples_before}
        if self.samples_before:
            figures["samples_trained_before"] = self.samples_before
        return figures


def _checkpoint(run: Path, kind: str) -> tuple[Configuration, dict[str, Any]]:
    state = load(run / "best.pt")
    configuration = Configuration(**state["configuration"])
    if configuration.kind != kind:
        raise MissingCheckpointError(
            f"{run / 'best.pt'} holds a {configuration.kind}, not a {kind}; "
            "name the other run with --run"
        )
    return configuration, state


def _trained(model: Model, configuration: Configuration, state: dict[str, Any]) -> Trained[Model]:
    model.load_state_dict(state["average"])
    # A checkpoint of an earlier version does not say what its run began from.
    before = int(state.get("samples_before", 0))
    return Trained(model.eval(), configuration, int(state["samples"]), before)


def open_detector(run: Path) -> Trained[FaceDetector]:
    """Read the best face detector of a run.

    Args:
        run: The run's folder.

    Returns:
        The detector and how it was trained.

    Raises:
        MissingCheckpointError: The folder has no `best.pt`, or another kind of model is in it.
    """
    configuration, state = _checkpoint(run, "detector")
    model = FaceDetector(int(configuration.width), configuration.depth)
    return _trained(model, configuration, state)


def open_classifier(run: Path) -> Trained[CropClassifier]:
    """Read the best mask classifier of a run.

    Args:
        run: The run's folder.

    Returns:
        The classifier and how it was trained.

    Raises:
        MissingCheckpointError: The folder has no `best.pt`, or another kind of model is in it.
    """
    configuration, state = _checkpoint(run, "classifier")
    return _trained(built(configuration), configuration, state)


def open_gender(run: Path) -> Trained[CropClassifier]:
    """Read the best gender head of a run.

    Args:
        run: The run's folder.

    Returns:
        The gender head and how it was trained.

    Raises:
        MissingCheckpointError: The folder has no `best.pt`, or another kind of model is in it.
    """
    configuration, state = _checkpoint(run, "gender")
    return _trained(built(configuration, len(GENDERS)), configuration, state)


def read_figures(run: Path) -> dict[str, float]:
    """Read the thresholds and figures that `evaluate` wrote for a run.

    Args:
        run: The run's folder.

    Returns:
        The content of `figures.json`.

    Raises:
        MissingCheckpointError: The run was not evaluated.
    """
    path = run / "figures.json"
    if not path.is_file():
        raise MissingCheckpointError(
            f"{path} is not there; run `python -m training evaluate` on this run first: it "
            f"chooses the thresholds"
        )
    figures: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
    return figures
