"""Model packages on the device: unpacked within bounds, into a folder that appears as a whole."""

import os
import shutil
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from edge.errors import ModelUpdateError

PACKAGE_AT_MOST = 64 << 20
"""Bytes of a package."""

_UNPACKED_AT_MOST = 256 << 20
_FILES_AT_MOST = 9
_PIECE = 1 << 20
_SPARE = 16 << 20
"""Bytes that stay free on the disk, for the outbox."""


def require_space(folder: Path, size: int) -> None:
    """Check that the disk has space for so many bytes more.

    Raises:
        ModelUpdateError: It has not, or the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise ModelUpdateError("state_unwritable", f"{folder}: {error.strerror}") from error
    if free < size + _SPARE:
        raise ModelUpdateError(
            "disk_full", f"{folder}: {free >> 20} MiB are free, {(size + _SPARE) >> 20} are needed"
        )


def unpack(package: Path, target: Path) -> None:
    """Unpack a package. The target appears as a whole, by one rename.

    Args:
        package: The ZIP file.
        target: The folder to make; an older one of this name is replaced.

    Raises:
        ModelUpdateError: The file is no package, is too large, or the disk is full or read-only.
    """
    unfinished = target.with_name(f"{target.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        with zipfile.ZipFile(package) as archive:
            members = archive.infolist()
            _check(members)
            require_space(target.parent, sum(each.file_size for each in members))
            unfinished.mkdir()
            left = _UNPACKED_AT_MOST
            for member in members:
                left = _extract(archive, member, unfinished / member.filename, left)
        _sync(unfinished)
        shutil.rmtree(target, ignore_errors=True)
        unfinished.replace(target)
        _sync(target.parent)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise ModelUpdateError("package_damaged", f"it is no ZIP file: {error}") from error
    except OSError as error:
        raise ModelUpdateError(*named(error)) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def named(error: OSError) -> tuple[str, str]:
    """Return the name and the words of a failure of the disk."""
    full = error.errno in {28, 122}  # ENOSPC, EDQUOT
    return "disk_full" if full else "state_unwritable", f"{error.filename}: {error.strerror}"


def _check(members: list[zipfile.ZipInfo]) -> None:
    names = [each.filename for each in members]
    if len(members) > _FILES_AT_MOST or len(set(names)) != len(names):
        raise ModelUpdateError("package_damaged", f"{len(names)} files, or one name twice")
    for name in names:
        if name != PurePosixPath(name).name or name in {"", ".", ".."} or "\\" in name:
            raise ModelUpdateError("package_damaged", f"{name!r} is no plain name of a file")
    if sum(each.file_size for each in members) > _UNPACKED_AT_MOST:
        raise ModelUpdateError("package_too_large", "unpacked it has more than 256 MiB")


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, left: int) -> int:
    """Write one file; return how many bytes the others may have."""
    with archive.open(member) as source, path.open("xb") as file:
        while piece := source.read(_PIECE):
            left -= len(piece)
            if left < 0:  # the archive's own figures may be wrong
                raise ModelUpdateError("package_too_large", "unpacked it has more than 256 MiB")
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return left


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
