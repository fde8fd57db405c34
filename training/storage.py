"""Atomic writes: a file is written beside its place, flushed, then renamed."""

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from training.errors import StorageError

PARTIAL = ".partial"
"""Ending of a file that is still being written."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def write_failure(path: Path, error: OSError) -> str:
    """Return why a file cannot be written, and what mends it, for a StorageError."""
    if error.errno in _FULL:
        return (
            f"{path} cannot be written: the disk is full ({error.strerror}). The file as it was "
            "before is unharmed; free some space and run the command again"
        )
    return (
        f"{path} cannot be written: {error.strerror or error}. Name a folder that you may write to"
    )


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Open a file that replaces `path` once all of it is on the disk.

    Until then, `path` stays as it was; it also does so if writing fails.

    Args:
        path: The file.

    Yields:
        A file to write to.

    Raises:
        StorageError: The file cannot be written.
    """
    temporary = path.with_name(path.name + PARTIAL)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(path)
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(write_failure(path, error)) from error
    finally:
        # If the folder could not be made, there is no temporary file either.
        if temporary.parent.is_dir():
            temporary.unlink(missing_ok=True)


def write_json(content: object, path: Path) -> None:
    """Write readable JSON; the file appears whole or not at all.

    Raises:
        StorageError: The file cannot be written.
    """
    with atomic_write(path) as out:
        out.write((json.dumps(content, indent=1) + "\n").encode())
