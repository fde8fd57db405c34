"""The container engine of this machine, by its command line."""

import json
import subprocess
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
VERSION = str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])

HARDENED = (
    "--read-only",
    "--cap-drop=ALL",
    "--user=10001",
    "--security-opt=no-new-privileges",
)
"""How each image is meant to be run."""


def image(name: str) -> str:
    """Return what an image of ours is called."""
    return f"maskgate/{name}:{VERSION}"


def docker(
    *arguments: str, check: bool = True, timeout_s: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run docker; fail with what it said where it fails and `check` is set."""
    done = subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, timeout=timeout_s, check=False
    )
    if check and done.returncode:
        raise AssertionError(f"docker {' '.join(arguments)}: {done.stderr or done.stdout}")
    return done


def inspected(container: str) -> dict[str, Any]:
    """Return what docker knows of a container or an image."""
    [found] = json.loads(docker("inspect", container).stdout)
    assert isinstance(found, dict)
    return found


def health(container: str) -> str:
    """Return starting, healthy or unhealthy; what became of it where it does not run."""
    state = inspected(container)["State"]
    return str(state["Health"]["Status"] if state["Running"] else state["Status"])


def wait_until(holds: Callable[[], bool], wanted: str, timeout_s: float = 90) -> None:
    """Return once `holds`; fail where it does not in time."""
    give_up = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < give_up, f"{wanted}: not within {timeout_s:.0f} s"
        time.sleep(0.25)


@contextmanager
def running(*arguments: str) -> Iterator[str]:
    """Start a container, hardened; remove it at the end, and show its log where a test fails."""
    container = docker("run", "--detach", *HARDENED, *arguments).stdout.strip()
    try:
        yield container
    finally:
        done = docker("logs", container, check=False)
        print(done.stdout, done.stderr)
        docker("rm", "--force", "--volumes", container)
