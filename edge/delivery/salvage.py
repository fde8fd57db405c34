"""What can be read of a damaged outbox, and where the damaged file goes.

SQLite reads nothing of a file whose header or schema is damaged. The events are on the leaf pages
of the table `waiting`, so each page is read by itself, as the command `.recover` of the sqlite3
shell does. Source of the format: https://www.sqlite.org/fileformat2.html
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from edge.delivery.database import OutboxDatabase, Row

KEPT_FILES = 3
"""Damaged files that are kept; the oldest are deleted."""

KEPT_DAYS = 30
"""Days for which a damaged file is kept."""

_MAGIC = b"SQLite format 3\x00"
_WAL_MAGIC = {0x377F0682, 0x377F0683}
_FILE_HEADER_BYTES = 100
_LOG_HEADER_BYTES = 32
_FRAME_HEADER_BYTES = 24
_PAGE_BYTES = 4096
_PAGE_SIZES = {1 << power for power in range(9, 16)}
_TABLE_LEAF = 0x0D
_COLUMNS = 3
_SUFFIXES = ("", "-wal", "-shm")
_STAMP = "%Y%m%dT%H%M%SZ"


def rows_in(path: Path) -> list[Row]:
    """Read the events of an outbox page by page; a page or row that is damaged is left out.

    Args:
        path: Of the database. It may be damaged, cut or missing; its write-ahead log is read too.

    Returns:
        The events that wait, in their order.
    """
    found: dict[str, Row] = {}
    for number, page in _pages(path):
        for row in _rows_on(page, 100 if number == 1 else 0):
            found.setdefault(row.id, row)
    return sorted(found.values(), key=lambda row: row.place)


def set_aside(path: Path) -> tuple[Path, int]:
    """Replace a damaged outbox by a new one with the events that can be read.

    The new file is complete before the damaged one is moved, so a kill at any moment loses nothing.

    Args:
        path: Of the database.

    Returns:
        Where the damaged file is now, and how many events were saved.

    Raises:
        OutboxError: The new file cannot be written.
        OSError: The damaged file cannot be moved.
    """
    rows = rows_in(path)
    new = _new(path)
    _delete(new)
    database = OutboxDatabase(new)
    try:
        database.add((row.id, row.body) for row in rows)
    finally:
        database.close()
    aside = _move_aside(path)
    new.replace(path)
    _sync_folder(path)
    _purge(path)
    return aside, len(rows)


def finish(path: Path) -> None:
    """Finish a `set_aside` that was killed after it had moved the damaged file.

    Raises:
        OSError: A file cannot be moved.
    """
    new = _new(path)
    if path.exists():
        _delete(new)
    elif new.exists():
        _move_aside(path)
        new.replace(path)
        _sync_folder(path)


def damaged_files(path: Path) -> list[Path]:
    """Return the files that were set aside, the oldest first."""
    found = path.parent.glob(f"{path.name}.damaged-*")
    return sorted(each for each in found if not each.name.endswith(("-wal", "-shm")))


def _new(path: Path) -> Path:
    return path.with_name(f"{path.name}.new")


def _delete(path: Path) -> None:
    for suffix in _SUFFIXES:
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _move_aside(path: Path) -> Path:
    aside = path.with_name(f"{path.name}.damaged-{datetime.now(UTC).strftime(_STAMP)}")
    # The log goes first: SQLite would apply it to the new file.
    for suffix in reversed(_SUFFIXES):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).replace(aside.with_name(aside.name + suffix))
    return aside


def _sync_folder(path: Path) -> None:
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _purge(path: Path) -> None:
    files = damaged_files(path)
    now = datetime.now(UTC).timestamp()
    for each in files:
        is_old = now - each.stat().st_mtime > KEPT_DAYS * 86_400
        if is_old or each in files[:-KEPT_FILES]:
            _delete(each)


def _pages(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield each page with its number: from the write-ahead log if it is there, else the file."""
    log_size, logged = _pages_of_log(path.with_name(f"{path.name}-wal"))
    with suppress(OSError), path.open("rb") as file:
        header = file.read(_FILE_HEADER_BYTES)
        is_whole = header.startswith(_MAGIC)
        size = _number(header, 16, 2) if is_whole else log_size
        size = size if size in _PAGE_SIZES else _PAGE_BYTES
        unused = _unused_pages(file, header, size) if is_whole else set()
        file.seek(0)
        number = 0
        while page := file.read(size):
            number += 1
            if number not in logged and number not in unused:
                yield number, page
    yield from logged.items()


def _pages_of_log(path: Path) -> tuple[int, dict[int, bytes]]:
    """Read the pages that the write-ahead log holds.

    Args:
        path: Of the log.

    Returns:
        The size of a page in bytes (0 if there is no log), and each page by its number.
    """
    try:
        raw = path.read_bytes()
    except OSError:
        return 0, {}
    if len(raw) < _LOG_HEADER_BYTES or _number(raw, 0, 4) not in _WAL_MAGIC:
        return 0, {}
    size, salt = _number(raw, 8, 4), raw[16:24]
    if size not in _PAGE_SIZES:
        return 0, {}
    committed: dict[int, bytes] = {}
    pending: dict[int, bytes] = {}
    step = _FRAME_HEADER_BYTES + size
    for start in range(_LOG_HEADER_BYTES, len(raw) - step + 1, step):
        # Frames with another salt are left over from before the last checkpoint.
        if raw[start + 8 : start + 16] != salt:
            break
        pending[_number(raw, start, 4)] = raw[start + _FRAME_HEADER_BYTES : start + step]
        if _number(raw, start + 4, 4):  # the last frame of a transaction
            committed |= pending
            pending = {}
    return size, committed


def _unused_pages(file: BinaryIO, header: bytes, size: int) -> set[int]:
    """Return the numbers of the pages on the free list; these may hold deleted events."""
    unused: set[int] = set()
    trunk = _number(header, 32, 4)
    while trunk and trunk not in unused:
        unused.add(trunk)
        file.seek((trunk - 1) * size)
        page = file.read(size)
        if len(page) < size:
            break
        count = min(_number(page, 4, 4), size // 4 - 2)
        unused |= {_number(page, 8 + 4 * i, 4) for i in range(count)}
        trunk = _number(page, 0, 4)
    return unused


def _rows_on(page: bytes, start: int) -> Iterator[Row]:
    """Yield the rows of `waiting` on a page.

    Args:
        page: The whole page.
        start: Where the page's header begins: 100 on the first page, otherwise 0.
    """
    if page[start : start + 1] != bytes([_TABLE_LEAF]):
        return
    for i in range(_number(page, start + 3, 2)):
        # A damaged row has offsets or texts that make no sense; its neighbours may be whole.
        with suppress(IndexError, ValueError):
            if row := _row_at(page, _number(page, start + 8 + 2 * i, 2)):
                yield row


def _row_at(page: bytes, offset: int) -> Row | None:
    """Read one row; None if it is of another table, or goes on on another page."""
    length, at = _varint(page, offset)
    place, at = _varint(page, at)
    record = page[at : at + length]
    if len(record) < length:
        return None
    end, at = _varint(record, 0)
    kinds = []
    while at < end:
        kind, at = _varint(record, at)
        kinds.append(kind)
    # The column `place` is the row's number, which the record gives as NULL (0). A text of n bytes
    # is the odd number 13 + 2n.
    if len(kinds) != _COLUMNS or kinds[0] or any(kind < 13 or not kind % 2 for kind in kinds[1:]):
        return None
    middle = end + (kinds[1] - 13) // 2
    last = middle + (kinds[2] - 13) // 2
    return Row(place, record[end:middle].decode(), record[middle:last].decode())


def _number(data: bytes, start: int, length: int) -> int:
    return int.from_bytes(data[start : start + length])


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Read a variable-length integer of at most 9 bytes; return it, and where the next begins."""
    value = 0
    for i in range(8):
        value = value << 7 | data[at + i] & 0x7F
        if data[at + i] < 0x80:
            return value, at + i + 1
    return value << 8 | data[at + 8], at + 9
