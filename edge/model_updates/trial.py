"""The trial of a model in a process of its own: a model that crashes ends that process alone.

    python -m edge.model_updates.trial FOLDER ROLE DEVICE PRECISION

The process prints one JSON object, `{"problem": NAME, "detail": TEXT}`; both are empty for a good
model.
"""

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np

from cloud.contract import Label
from edge.errors import (
    EdgeError,
    ModelAlteredError,
    ModelMissingError,
    ModelUnfitError,
    ModelUpdateError,
)
from edge.faces import FaceDetector
from edge.inference import loading
from edge.manifest import Role, find
from edge.masks import MaskClassifier
from edge.settings import InferencePrecision
from edge.values import Box, Face, Image

TIMEOUT_S = 180.0
_FACES_OF_NOTHING = 3
"""Faces at most in a picture of one colour."""

_ROOT = Path(__file__).parents[2]


def try_out(
    folder: Path,
    role: Role,
    *,
    device: str = "CPU",
    precision: InferencePrecision = InferencePrecision.F32,
    timeout_s: float = TIMEOUT_S,
) -> None:
    """Try a model in a process of its own.

    Args:
        folder: Of the model and its manifest.
        role: Task of the model.
        device: OpenVINO's name of the device.
        precision: In which the device computes.
        timeout_s: Seconds that the trial may take.

    Raises:
        ModelUpdateError: The model is not fit; the error has a name.
    """
    # The process reads no settings, so it gets no secrets.
    environment = {name: value for name, value in os.environ.items() if "EDGE_" not in name}
    command = [sys.executable, "-m", __name__, str(folder.absolute()), role, device, precision]
    try:
        done = subprocess.run(
            command,
            cwd=_ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ModelUpdateError("trial_timeout", f"no answer within {timeout_s:.0f} s") from error
    except OSError as error:
        raise ModelUpdateError("trial_failed", f"no process: {error.strerror}") from error
    try:
        answer = json.loads(done.stdout.decode(errors="replace").strip().splitlines()[-1])
        problem, detail = str(answer["problem"]), str(answer["detail"])
    except (ValueError, IndexError, KeyError, TypeError) as error:
        how = f"signal {-done.returncode}" if done.returncode < 0 else f"exit {done.returncode}"
        raise ModelUpdateError("trial_crashed", f"the trial's process ended by {how}") from error
    if problem:
        raise ModelUpdateError(problem, detail)


def picture() -> Image:
    """Return the built-in picture: a drawn head before a wall, 480×640."""
    down, across = np.mgrid[0:480, 0:640].astype(np.float32)
    wall = 90 + 60 * across / 640 + 20 * np.sin(down / 23)
    head = ((across - 320) / 70) ** 2 + ((down - 220) / 95) ** 2 < 1
    lower = head & (down > 235)
    image = np.repeat(wall[..., np.newaxis], 3, axis=2)
    image[head] = (120, 150, 205)
    image[lower] = (215, 200, 170)
    return image.astype(np.uint8)


def _judge(folder: Path, role: Role, device: str, precision: InferencePrecision) -> None:
    network = loading.load(find(role, folder), device=device, precision=precision, mirror=False)
    if role is Role.DETECTOR:
        detector = FaceDetector(network)
        detector.make_ready()
        detector.detect(picture())
        if len(detector.detect(np.full((480, 640, 3), 127, np.uint8))) > _FACES_OF_NOTHING:
            raise ModelUpdateError("trial_failed", "it finds faces in a picture of one colour")
        return
    missing = set(Label) - set(network.info.text("labels").split())
    classifier = MaskClassifier(network)
    if missing:
        raise ModelUpdateError("label_missing", f"it does not know {', '.join(sorted(missing))}")
    classifier.make_ready()
    classifier.judge(picture(), [Face(Box(250, 125, 390, 315), 1.0), Face(Box(0, 0, 64, 64), 1.0)])


def _names(error: EdgeError) -> str:
    if isinstance(error, ModelUpdateError):
        return error.name
    names: dict[type[EdgeError], str] = {
        ModelMissingError: "model_missing",
        ModelAlteredError: "model_altered",
        ModelUnfitError: "model_unfit",
    }
    return names.get(type(error), "trial_failed")


def main(arguments: list[str]) -> None:
    """Try the model that the arguments name, and print the result."""
    with suppress(OSError):
        # If memory runs out, the kernel ends this process and not the door.
        Path("/proc/self/oom_score_adj").write_text("1000")
    os.nice(10)
    folder, role, device, precision = arguments
    try:
        _judge(Path(folder), Role(role), device, InferencePrecision(precision))
    except EdgeError as error:
        answer = {"problem": _names(error), "detail": error.problem}
    else:
        answer = {"problem": "", "detail": ""}
    sys.stdout.write(f"{json.dumps(answer)}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
