"""Checkpoints: written whole or not at all, and read only under their own configuration."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from training.errors import ConfigurationMismatchError, MissingCheckpointError
from training.storage import atomic_write


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a model is and how it is trained.

    A checkpoint holds the configuration of its run, and a run is resumed only under the same one.

    Attributes:
        kind: `detector`, `classifier` or `gender`.
        size: Side of a training sample in pixels.
        width: Channels: their number in the detector, a multiplier in a classifier.
        batch: Samples in an optimiser step.
        rate: Highest learning rate.
        decay: Weight decay (AdamW).
        seed: Seed of the samples.
        margin: How much longer a crop's side is than the longer side of the face's box, as a share.
        architecture: Name of the classifier's architecture.
        depth: Blocks that the detector has beyond the smallest network's.
    """

    kind: str
    size: int
    width: float
    batch: int
    rate: float
    decay: float
    seed: int
    margin: float = 0.0
    architecture: str = "ours"
    depth: int = 0


# Sizes and rates come from short trials on the public sets; the detector is trained smaller than it
# runs (320), for speed.
DETECTOR = Configuration("detector", size=256, width=48, batch=32, rate=2e-3, decay=0.02, seed=1)
CLASSIFIER = Configuration(
    "classifier", size=96, width=1.0, batch=64, rate=2e-3, decay=0.02, seed=2, margin=0.2
)

GENDER = Configuration(
    "gender", size=96, width=1.0, batch=64, rate=2e-3, decay=0.05, seed=3, margin=0.2
)


def configured(base: Configuration, **changes: float | int | None) -> Configuration:
    """Return a configuration with the options that were given; None leaves a field as it is."""
    return replace(base, **{k: v for k, v in changes.items() if v is not None})  # type: ignore[arg-type]


def save(state: dict[str, Any], path: Path) -> None:
    """Write a checkpoint whole or not at all.

    Args:
        state: What the checkpoint holds.
        path: The file; an earlier one is replaced.

    Raises:
        StorageError: The disk is full, or the folder is not writable; the earlier file stays.
    """
    # In memory first: PyTorch's own writer ends the process when the disk is full.
    whole = io.BytesIO()
    torch.save(state, whole)
    with atomic_write(path) as out:
        out.write(whole.getbuffer())


MODEL = ("kind", "size", "width", "margin", "architecture", "depth")
"""The fields of a configuration that say what a model is; the others say how it is trained."""


def load(
    path: Path, expected: Configuration | None = None, fields: Sequence[str] = ()
) -> dict[str, Any]:
    """Read a checkpoint.

    Args:
        path: The file.
        expected: The configuration that it must have been written under; None takes any.
        fields: The fields that must be as expected; all where none is named.

    Returns:
        The checkpoint's state.

    Raises:
        MissingCheckpointError: The file is not there, or is no checkpoint.
        ConfigurationMismatchError: Fields differ; the message names them.
    """
    if not path.is_file():
        raise MissingCheckpointError(
            f"{path} is not there; train first, or name the run's folder with --run"
        )
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise MissingCheckpointError(
            f"{path} is no checkpoint of ours ({error}); train again, or name another with --run"
        ) from error
    if expected is not None:
        # A field that a checkpoint of an earlier version lacks had its default value.
        found = asdict(Configuration(**state["configuration"]))
        differs = ", ".join(
            f"{k}: {found[k]!r} there, {v!r} here"
            for k, v in asdict(expected).items()
            if found[k] != v and (not fields or k in fields)
        )
        if differs:
            raise ConfigurationMismatchError(
                f"{path} was written under another configuration ({differs}); train into a new "
                f"--run, or give the same options"
            )
    return state


def samples_seen(state: Mapping[str, Any]) -> int:
    """Return how many training samples a checkpoint's run, and the runs before it, have seen."""
    return int(state.get("samples", 0)) + int(state.get("samples_before", 0))


def _best(run: Path) -> Path:
    return run if run.is_file() else run / "best.pt"


def begin_from(model: nn.Module, run: Path) -> int:
    """Give a model the best weights of another run.

    The other model may be less deep: what a deeper detector has beyond it changes no answer until
    it is trained.

    Args:
        model: The model, whose weights are replaced.
        run: The other run's folder, or a checkpoint file.

    Returns:
        The training samples that the weights have seen.

    Raises:
        MissingCheckpointError: The other run has no `best.pt`.
        ConfigurationMismatchError: Its model has another shape.
    """
    path = _best(run)
    state = load(path)
    try:
        missing, unknown = model.load_state_dict(state["average"], strict=False)
        fits = not unknown and all(k.startswith("deeper.") for k in missing)
    except RuntimeError:
        fits = False
    if not fits:
        raise ConfigurationMismatchError(
            f"{path} holds a model of another shape; name a run of the same kind, "
            "architecture and width, and no deeper, with --begin-from, or leave it out"
        )
    return samples_seen(state)


def begin_trunk_from(model: nn.Module, run: Path) -> int:
    """Give a classifier the best weights of another run, all but those of the head.

    Args:
        model: The classifier, whose weights are replaced.
        run: The other run's folder, or a checkpoint file.

    Returns:
        The training samples that the weights have seen.

    Raises:
        MissingCheckpointError: The other run has no `best.pt`.
        ConfigurationMismatchError: Its trunk has another shape.
    """
    path = _best(run)
    state = load(path)
    trunk = {k: v for k, v in state["average"].items() if k.startswith("features.")}
    try:
        missing, _ = model.load_state_dict(trunk, strict=False)
        fits = all(k.startswith("head.") for k in missing)
    except RuntimeError:
        fits = False
    if not fits:
        raise ConfigurationMismatchError(
            f"{path} holds a trunk of another shape; name a run of the same "
            "architecture and width with --begin-from, or leave it out"
        )
    return samples_seen(state)
