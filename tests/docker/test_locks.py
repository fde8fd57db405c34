"""The locks hold what pyproject.toml asks for: each file by its hash, from no index by name."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "docker" / "locks"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def _names(requirements: list[str]) -> set[str]:
    found = (re.match(r"[A-Za-z0-9._-]+", each) for each in requirements)
    return {re.sub(r"[._-]+", "-", match[0]).lower() for match in found if match}


def _pinned(lock: str) -> dict[str, list[str]]:
    """Return each requirement of a lock with its hashes."""
    text = (LOCKS / f"{lock}.txt").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {line.split()[0]: re.findall(r"--hash=sha256:([0-9a-f]{64})", line) for line in lines}


@pytest.mark.parametrize("image", ["edge", "cloud", "dashboard"])
def test_a_lock_pins_what_its_image_asks_for(image: str) -> None:
    pinned = _pinned(image)
    asked = _names([*PROJECT["dependencies"], *PROJECT["optional-dependencies"][image]])
    missing = asked - {name.partition("==")[0] for name in pinned}
    assert not missing, f"say make locks: docker/locks/{image}.txt lacks {sorted(missing)}"
    assert all("==" in name and hashes for name, hashes in pinned.items())


@pytest.mark.parametrize("image", ["edge", "cloud", "dashboard"])
def test_a_lock_installs_no_installer(image: str) -> None:
    names = {name.partition("==")[0] for name in _pinned(image)}
    assert not names & {"pip", "setuptools", "wheel"}


@pytest.mark.parametrize("lock", ["edge", "cloud", "dashboard", "sbom"])
def test_a_lock_names_no_index(lock: str) -> None:
    assert "://" not in (LOCKS / f"{lock}.txt").read_text()
    assert _pinned(lock)
