"""Checkpoints: written whole or not at all, and read back only under the configuration that they
were written with.
"""

import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from training.errors import ConfigurationMismatchError, MissingCheckpointError
from training.storage import atomic_write


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a model is and how it is trained. Saved in its checkpoint; a run goes on only under the
    same one.
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
    """A configuration with the options that were given on the command line."""
    return replace(base, **{k: v for k, v in changes.items() if v is not None})  # type: ignore[arg-type]


def save(state: dict[str, Any], path: Path) -> None:
    """Write a checkpoint whole or not at all: a full disk leaves the earlier one as it was.

    Raises StorageError, naming what filled up and its mend.
    """
    # In memory first: PyTorch's own writer does not survive a file that stops taking bytes.
    whole = io.BytesIO()
    torch.save(state, whole)
    with atomic_write(path) as out:
        out.write(whole.getbuffer())


MODEL = ("kind", "size", "width", "margin", "architecture", "depth")
"""What of a configuration a model is; the rest is how it was trained."""


def load(
    path: Path, expected: Configuration | None = None, fields: Sequence[str] = ()
) -> dict[str, Any]:
    """A checkpoint's state. `fields`: those that must be as expected; all of them where none is
    named. Raises MissingCheckpointError, ConfigurationMismatchError (naming what differs).
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
        # A field that an older checkpoint does not have was at its default.
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


def begin_from(model: nn.Module, run: Path) -> None:
    """Start with the best weights of another run, which may be less deep: what a detector has
    beyond it changes nothing until it is trained. Raises CheckpointError.
    """
    state = load(run / "best.pt")
    try:
        missing, unknown = model.load_state_dict(state["average"], strict=False)
        fits = not unknown and all(k.startswith("deeper.") for k in missing)
    except RuntimeError:
        fits = False
    if not fits:
        raise ConfigurationMismatchError(
            f"{run / 'best.pt'} holds a model of another shape; name a run of the same kind, "
            "architecture and width, and no deeper, with --begin-from, or leave it out"
        )


def begin_trunk_from(model: nn.Module, run: Path) -> None:
    """Start with all but the head of another run's best weights. Raises CheckpointError."""
    state = load(run / "best.pt")
    trunk = {k: v for k, v in state["average"].items() if k.startswith("features.")}
    try:
        missing, _ = model.load_state_dict(trunk, strict=False)
        fits = all(k.startswith("head.") for k in missing)
    except RuntimeError:
        fits = False
    if not fits:
        raise ConfigurationMismatchError(
            f"{run / 'best.pt'} holds a trunk of another shape; name a run of the same "
            "architecture and width with --begin-from, or leave it out"
        )
