"""A small disk that tests fill up or make read-only."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

PAGE = 4096


@contextmanager
def mounted(folder: Path) -> Iterator[Path]:
    """A file system of 1 MiB at an empty folder."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a file system can be mounted by root alone")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Write until nothing fits any more."""
    big = folder / "other.log"
    with big.open("wb", buffering=0) as file:
        for size in (PAGE, 1):
            with suppress(OSError):
                while file.write(bytes(size)):
                    pass
    return big


def remount(folder: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True)
