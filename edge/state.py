"""Files in `EDGE_STATE_DIR`: written atomically, and readable by their owner alone."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.errors import EdgeError


def make_folder(path: Path) -> None:
    """Make the folder of `path`, and check that files can be made in it.

    Raises:
        EdgeError: No file can be made there.
    """
    with _translated(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass


def write_private(text: str, path: Path) -> None:
    """Write a file with mode 0600, atomically: after a failure the old file is still there.

    Raises:
        EdgeError: The folder cannot be written.
    """
    make_folder(path)
    with _translated(path):
        # mkstemp creates the file with mode 0600, so no other user can read it at any moment.
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EdgeError(
            f"{path} cannot be written: {error.strerror}", "Check EDGE_STATE_DIR and its owner"
        ) from error
