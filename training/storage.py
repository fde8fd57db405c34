"""Files that appear whole or not at all: written beside their place, flushed, then renamed."""

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from training.errors import StorageError

PARTIAL = ".partial"
"""Ending of a file that is still being written; nobody reads one."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def storage_error(path: Path, error: OSError) -> StorageError:
    """What an OSError on writing means for a person, with its mend."""
    if error.errno in _FULL:
        return StorageError(
            f"{path} cannot be written: the disk is full ({error.strerror}). What was there before "
            "is unharmed; free some space and run the command again"
        )
    return StorageError(
        f"{path} cannot be written: {error.strerror or error}. Name a folder that you may write to"
    )


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """A file to write to that takes the place of `path` once all of it is on the disk.

    Until then, and for ever where writing fails, `path` stays what it was. Raises StorageError.
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
        raise storage_error(path, error) from error
    finally:
        # Where the folder itself cannot be had, there is nothing to take away either.
        if temporary.parent.is_dir():
            temporary.unlink(missing_ok=True)


def write_json(content: object, path: Path) -> None:
    """Readable JSON that appears whole or not at all. Raises StorageError."""
    with atomic_write(path) as out:
        out.write((json.dumps(content, indent=1) + "\n").encode())
