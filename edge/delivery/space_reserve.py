"""A file that only occupies space, so that a full disk still has room for the outbox."""

import os
import shutil
from pathlib import Path

RESERVE_BYTES = 1 << 20
"""Room for about 500 events of 700 bytes, with SQLite's log of the writes."""


class SpaceReserve:
    """Space that is held while the disk has enough, and given up when the disk is full.

    Args:
        path: Of the file.
        size: In bytes.
    """

    def __init__(self, path: Path, size: int = RESERVE_BYTES) -> None:
        self._path = path
        self._size = size

    @property
    def is_held(self) -> bool:
        """Whether the file occupies the space."""
        try:
            return self._path.stat().st_blocks * 512 >= self._size
        except OSError:
            return False

    def hold(self) -> bool:
        """Occupy the space if twice as much is free; return whether it is occupied."""
        if self.is_held:
            return True
        try:
            # Half stays free: otherwise the reserve itself would fill the disk.
            if shutil.disk_usage(self._path.parent).free < 2 * self._size:
                return False
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                os.posix_fallocate(handle, 0, self._size)
            finally:
                os.close(handle)
        except OSError:
            self.release()
            return False
        return True

    def release(self) -> bool:
        """Give the space up; return whether there was any."""
        held = self.is_held
        try:
            self._path.unlink(missing_ok=True)
        except OSError:
            return False
        return held
