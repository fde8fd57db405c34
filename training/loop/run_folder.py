"""The numbered folders of runs: a new run never overwrites an earlier one.

The runs of a kind lie beside each other as `classifier-1`, `classifier-2`, …, and `classifier` is a
link to the newest. Commands that read `var/training/classifier` therefore find the newest run.
"""

import os
import re
from pathlib import Path

from training.errors import ExistingRunError, StorageError
from training.storage import write_failure

_FILES = ("best.pt", "last.pt", "progress.json", "history.json")
"""Files by which a folder is known as a run's."""


def holds_run(folder: Path) -> bool:
    """Say whether a folder holds a run, ended or not."""
    return any((folder / name).exists() for name in _FILES)


def require_no_run(folder: Path) -> None:
    """Refuse a folder that holds a run.

    Raises:
        ExistingRunError: It holds one.
    """
    if holds_run(folder):
        raise ExistingRunError(
            f"{folder} holds a run, which would be overwritten; give --resume to continue it, "
            "name another folder with --run, or leave --run out: then the new run gets a number"
        )


def _numbers(usual: Path) -> list[int]:
    pattern = re.compile(re.escape(usual.name) + r"-(\d+)")
    names = (pattern.fullmatch(p.name) for p in usual.parent.glob(f"{usual.name}-*"))
    return [int(name[1]) for name in names if name]


def new_run_folder(usual: Path) -> Path:
    """Make the folder of a new run, and link the usual path to it.

    A run of an earlier version, whose folder has the usual path itself, gets a number first.

    Args:
        usual: The usual path, such as `var/training/classifier`.

    Returns:
        The new folder: `classifier-1`, or the number after the highest one.

    Raises:
        StorageError: The folder or the link cannot be made.
    """
    try:
        usual.parent.mkdir(parents=True, exist_ok=True)
        if usual.is_dir() and not usual.is_symlink():
            usual.rename(_next_folder(usual, make=False))
        folder = _next_folder(usual, make=True)
        link = usual.with_name(f".{usual.name}.{os.getpid()}")
        link.unlink(missing_ok=True)
        link.symlink_to(folder.name)
        link.replace(usual)
    except OSError as error:
        raise StorageError(write_failure(usual, error)) from error
    return folder


def _next_folder(usual: Path, *, make: bool) -> Path:
    number = max(_numbers(usual), default=0)
    while True:
        number += 1
        folder = usual.with_name(f"{usual.name}-{number}")
        if not make:
            return folder
        try:
            folder.mkdir()
        except FileExistsError:
            continue  # another run took the number at the same moment
        return folder
