"""Each extra, installed alone, holds all that its package imports. Run by `make extras-test`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.engine import ROOT

pytestmark = [
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        "MASKGATE_EXTRAS" not in os.environ,
        reason="makes an environment for each extra, from the package index; say make extras-test",
    ),
]

PACKAGES = {
    "edge": ["edge", "cloud.contract"],
    "cloud": ["cloud"],
    "dashboard": ["dashboard", "cloud.client", "cloud.contract"],
    "demo": ["demo", "cloud.client", "cloud.contract"],
    "training": ["training"],
}


@pytest.mark.parametrize("extra", os.environ.get("MASKGATE_EXTRAS", " ".join(PACKAGES)).split())
def test_an_extra_alone_is_enough(extra: str, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    python = str(environment / "bin" / "python")
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, f".[{extra}]"], cwd=ROOT, check=True)
    done = subprocess.run(
        [python, "-W", "ignore", "tests/deploy/imports.py", *PACKAGES[extra]],
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) > 3
