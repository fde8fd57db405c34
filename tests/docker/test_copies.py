"""An image holds the folders that its application imports: each Dockerfile copies them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PACKAGES = {
    "cloud": ["cloud"],
    "dashboard": ["dashboard", "cloud.client", "cloud.contract"],
    "edge": ["edge", "cloud.contract"],
}


@pytest.mark.parametrize("image", PACKAGES)
def test_what_an_image_copies_is_enough_to_import_it(image: str, tmp_path: Path) -> None:
    recipe = (ROOT / "docker" / f"{image}.Dockerfile").read_text()
    for source, place in re.findall(
        r"^COPY ((?:cloud|dashboard|edge)\S*) /source/(\S+)$", recipe, re.M
    ):
        if (ROOT / source).is_dir():
            shutil.copytree(
                ROOT / source, tmp_path / place, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            (tmp_path / place).mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / source, tmp_path / place)
    script = ROOT / "tests" / "deploy" / "imports.py"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script), *PACKAGES[image]],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) > 3
