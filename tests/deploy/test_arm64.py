"""The edge's image for ARM64 sees what the one for x86-64 sees; emulated where need be."""

import json
from pathlib import Path

import cv2
import pytest

from tests.deploy.engine import HARDENED, ROOT, docker, image

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.timeout(900)]

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


def _labels(name: str, pictures: Path) -> dict[str, list[str]]:
    run = (
        "run", "--rm", *HARDENED, "--network=none", f"--volume={pictures}:/pictures:ro", name,
        "detect", "/pictures", "--json", "--min-score=0.5",
    )  # fmt: skip
    lines = [json.loads(line) for line in docker(*run, timeout_s=600).stdout.splitlines()]
    return {each["file"]: [face["label"] for face in each["faces"]] for each in lines}


def test_three_pictures_get_the_same_labels(pictures: Path) -> None:
    machine = docker("run", "--rm", "--entrypoint=uname", ARM64, "-m").stdout.strip()
    assert machine == "aarch64"
    here = _labels(image("edge"), pictures)
    assert {label for labels in here.values() for label in labels} == {"without_mask", "with_mask"}
    assert _labels(ARM64, pictures) == here
