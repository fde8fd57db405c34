"""The edge's image for ARM64 sees what the one for x86-64 sees; emulated where need be."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.deploy.engine import HARDENED, ROOT, docker, image

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.timeout(1800)]

ARM64 = f"{image('edge')}-arm64"
MOMENTS_S = (1.0, 4.0, 9.0)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three frames of the demo's clip."""
    if docker("image", "inspect", ARM64, check=False).returncode:
        pytest.skip(f"there is no image {ARM64}; `make arm-test` builds it")
    folder = tmp_path_factory.mktemp("pictures")
    folder.chmod(0o755)
    clip = cv2.VideoCapture(str(ROOT / "demo" / "clip.mp4"))
    for moment in MOMENTS_S:
        clip.set(cv2.CAP_PROP_POS_MSEC, moment * 1000)
        there, frame = clip.read()
        assert there
        cv2.imwrite(str(folder / f"{moment}.png"), frame)
    return folder


def _seen(name: str, pictures: Path, precision: str = "auto") -> dict[str, list[dict[str, Any]]]:
    """Return the faces that an image's edge finds in each picture."""
    run = (
        "run", "--rm", *HARDENED, "--network=none", f"--volume={pictures}:/pictures:ro",
        f"--env=EDGE_PRECISION={precision}", name,
        "detect", "/pictures", "--json", "--min-score=0.5",
    )  # fmt: skip
    lines = [json.loads(line) for line in docker(*run, timeout_s=600).stdout.splitlines()]
    return {each["file"]: each["faces"] for each in lines}


def _labels(faces: dict[str, list[dict[str, Any]]]) -> dict[str, list[str]]:
    return {file: [face["label"] for face in found] for file, found in faces.items()}


def test_three_pictures_get_the_same_labels(pictures: Path) -> None:
    machine = docker("run", "--rm", "--entrypoint=uname", ARM64, "-m").stdout.strip()
    assert machine == "aarch64"
    here = _labels(_seen(image("edge"), pictures))
    assert {label for labels in here.values() for label in labels} == {"without_mask", "with_mask"}
    assert _labels(_seen(ARM64, pictures)) == here


def test_the_same_weights_answer_the_same_within_rounding(pictures: Path) -> None:
    here, there = (_seen(name, pictures, "fp16") for name in (image("edge"), ARM64))
    assert _labels(there) == _labels(here)
    apart = {"box": 0.0, "score": 0.0, "probabilities": 0.0}
    for file, faces in here.items():
        for ours, theirs in zip(faces, there[file], strict=True):
            for field, most in apart.items():
                apart[field] = max(most, _apart(ours[field], theirs[field]))
    print(f"apart at most: {apart}")
    # Half floats have 11 bits: a step of 0.0005 at 1, and of a quarter of a pixel at 640.
    assert apart["box"] < 1
    assert apart["score"] < 0.01
    assert apart["probabilities"] < 0.01


def _apart(ours: Any, theirs: Any) -> float:
    """Return by how much two numbers, lists of them, or values by the same names differ."""
    if isinstance(ours, dict):
        return max(_apart(each, theirs[name]) for name, each in ours.items())
    return float(np.abs(np.subtract(ours, theirs)).max())
