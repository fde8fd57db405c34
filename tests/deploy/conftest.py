"""These tests need a container engine, and the images that `make images` builds.

They are run by `make image-test` and `make compose-test`, which set MASKGATE_ENGINE=required: then
an engine that is missing is a failure. Otherwise they are skipped where there is none.
"""

import os
import shutil
import subprocess

import pytest

from tests.deploy.engine import image


@pytest.fixture(scope="session")
def engine() -> None:
    """An engine that answers, and has the images."""
    missing = _missing()
    if missing is None:
        return
    if os.environ.get("MASKGATE_ENGINE") == "required":
        pytest.fail(missing)
    pytest.skip(missing)


def _missing() -> str | None:
    if shutil.which("docker") is None:
        return "there is no docker on this machine; install Docker Engine 20.10 or newer"
    answered = subprocess.run(
        ["docker", "version", "--format", "{{.Server.Version}}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if answered.returncode:
        return f"the container engine does not answer: {answered.stderr.strip()}"
    for name in ("edge", "cloud", "dashboard"):
        known = subprocess.run(
            ["docker", "image", "inspect", image(name)], capture_output=True, check=False
        )
        if known.returncode:
            return f"there is no image {image(name)}; `make images` builds it"
    return None
