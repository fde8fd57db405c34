"""Backup and restore: every key of this store, as of one moment, in one file.

The file is gzip (RFC 1952) of JSON lines: a header; one line for each key, with the answer of DUMP
and the moment of expiry; and an end with the number of keys and the SHA-256 of all lines before.
DUMP keeps every type exactly, and a Redis of the same or a newer version reads it. Secrets that the
store holds as hashes (keys, codes, tokens) are hashes in the file too. Tokens of passes that can
still be used are plain in both, so only its owner may read the file.

The backup is consistent because writers wait while it is made: `CLIENT PAUSE … WRITE` holds their
commands back, while reads go on. A writer that waits longer than its timeout gets an error that the
store is away, and tries again.
"""

import base64
import contextlib
import gzip
import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import redis

from cloud.errors import BackupUnusable, StoreFault, StoreNotEmpty
from cloud.store import keyspace
from cloud.store.connection import translates_redis_errors
from cloud.store.moments import to_ms

FORMAT: Final = "maskgate-backup"
VERSION: Final = 1
FILE_PREFIX: Final = "maskgate-"
SUFFIX: Final = ".backup"
NAME: Final = f"{FILE_PREFIX}%Y-%m-%dT%H%M%SZ{SUFFIX}"
LEFT_AFTER_S: Final = 3600.0
BATCH: Final = 500
PAUSE_MS: Final = 10_000
"""Renewed with every batch. If the backup dies, writers go on after this."""

PATTERNS: Final = (keyspace.EVERYTHING, "rq:*")
PROCESS_PREFIXES: Final = (
    b"rq:worker",
    b"rq:scheduler",
    b"rq:clean_registries",
    keyspace.INBOX_PREFIX.encode(),
)
"""Registrations and locks of workers, and messages that the bot is about to answer. They are of use
only while those processes run, so they are neither backed up nor removed."""

Count = Callable[[int], None]


def dated(folder: Path, now: datetime) -> Path:
    """Return the path of a backup that is made at `now` in a folder of backups."""
    return folder / now.astimezone(UTC).strftime(NAME)


def newest(folder: Path, now: datetime) -> datetime | None:
    """Return when the newest backup that `dated` named was made.

    Args:
        folder: the folder of backups.
        now: the present. A backup of a later moment was made while the clock was wrong, and does
            not count.

    Returns:
        The moment; None where there is no backup.
    """
    made = []
    for file in folder.glob(f"{FILE_PREFIX}*{SUFFIX}"):
        with contextlib.suppress(ValueError):
            made.append(datetime.strptime(file.name, NAME).replace(tzinfo=UTC))
    return max((moment for moment in made if moment <= now), default=None)


def leftovers(folder: Path, now: datetime) -> list[Path]:
    """Return the partial files of backups that a crash broke off an hour ago or longer."""
    return [
        file
        for file in folder.glob(f".{FILE_PREFIX}*{SUFFIX}.*")
        if now.timestamp() - file.stat().st_mtime > LEFT_AFTER_S
    ]


def thin_out(folder: Path, keep: int) -> list[Path]:
    """Remove all but the `keep` newest files that `dated` named; return the removed ones."""
    held = sorted(folder.glob(f"{FILE_PREFIX}*{SUFFIX}"), reverse=True)
    for file in held[keep:]:
        file.unlink(missing_ok=True)
    return held[keep:]


@translates_redis_errors
class Backup:
    """Writes the store into a file, and reads it back."""

    def __init__(self, client: redis.Redis, queue_client: redis.Redis) -> None:
        self._clients = {"data": client}
        if queue_client is not client:
            self._clients["queue"] = queue_client

    def write(self, path: Path, now: datetime, count: Count) -> int:
        """Write every key into a file, whole or not at all.

        Only the file's owner can read it. The store notes `now` as the moment of the last backup,
        for the metrics.

        Args:
            path: the file.
            now: the present.
            count: is called after each batch with the number of keys that are written.

        Returns:
            How many keys were written.

        Raises:
            BackupUnusable: the file cannot be written.
        """
        try:
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        except OSError as error:
            raise BackupUnusable(f"nothing can be written to {path.parent}: {error}") from error
        part = Path(name)
        try:
            with os.fdopen(handle, "wb") as raw:
                with gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=6, mtime=0) as packed:
                    keys = self._write(packed.write, now, count)
                raw.flush()
                os.fsync(raw.fileno())
            part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise BackupUnusable(
                f"{path} cannot be written: {error.strerror}; is there room for it?"
            ) from error
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        self._clients["data"].set(keyspace.LAST_BACKUP, to_ms(now))
        return keys

    def restore(self, path: Path, now: datetime, count: Count, *, force: bool = False) -> int:
        """Write the keys of a backup into the store. The whole file is checked before.

        Args:
            path: the file.
            now: the present; keys that have expired are left out.
            count: is called after each batch with the number of keys that are restored.
            force: remove the keys that the store holds.

        Returns:
            How many keys were restored.

        Raises:
            BackupUnusable: the file is no whole backup.
            StoreNotEmpty: the store holds keys, and `force` is not given.
        """
        for _ in _read(path):
            pass
        for client in self._clients.values():
            held = list(_keys(client))
            if held and not force:
                raise StoreNotEmpty(
                    f"the store holds {len(held)} keys already; stop all processes and say --force "
                    "to put the backup in their place"
                )
            for at in range(0, len(held), BATCH):
                client.unlink(*held[at : at + BATCH])
        restored = 0
        batch: list[Mapping[str, Any]] = []
        for line in _read(path):
            batch.append(line)
            if len(batch) == BATCH:
                restored += self._restore_batch(batch, now)
                batch = []
                count(restored)
        restored += self._restore_batch(batch, now)
        count(restored)
        return restored

    def _write(self, write: Callable[[bytes], Any], now: datetime, count: Count) -> int:
        digest = hashlib.sha256()
        keys = 0

        def put(line: Mapping[str, Any]) -> None:
            encoded = json.dumps(line, separators=(",", ":")).encode() + b"\n"
            digest.update(encoded)
            write(encoded)

        put({"format": FORMAT, "version": VERSION, "made_at": now.isoformat()})
        try:
            for client in self._clients.values():
                client.client_pause(PAUSE_MS, all=False)
            for name, client in self._clients.items():
                for line in _dumped(client, self._clients.values()):
                    put({**line, "in": name})
                    keys += 1
                    if keys % BATCH == 0:
                        count(keys)
        finally:
            for client in self._clients.values():
                client.client_unpause()
        count(keys)
        end = {"keys": keys, "sha256": digest.hexdigest()}
        write(json.dumps(end, separators=(",", ":")).encode() + b"\n")
        return keys

    def _restore_batch(self, batch: list[Mapping[str, Any]], now: datetime) -> int:
        moment = to_ms(now)
        living = [line for line in batch if line["until"] is None or line["until"] > moment]
        for name in {line["in"] for line in living}:
            # A backup of two instances may be restored into one.
            pipe = self._clients.get(name, self._clients["data"]).pipeline(transaction=False)
            for line in (line for line in living if line["in"] == name):
                pipe.restore(
                    base64.b64decode(line["key"]),
                    line["until"] or 0,
                    base64.b64decode(line["dump"]),
                    replace=True,
                    absttl=line["until"] is not None,
                )
            try:
                pipe.execute()
            except redis.ResponseError as error:
                if "payload version" in str(error):
                    raise BackupUnusable(
                        "this backup was made by a newer Redis; restore it into one of that "
                        "version or a later one"
                    ) from error
                raise StoreFault(f"the store refused: {error}") from error
        return len(living)


def _keys(client: redis.Redis) -> Iterator[bytes]:
    seen: set[bytes] = set()  # SCAN may return a key twice.
    for pattern in PATTERNS:
        for key in client.scan_iter(match=pattern, count=BATCH):
            if key not in seen and not key.startswith(PROCESS_PREFIXES):
                seen.add(key)
                yield key


def _dumped(client: redis.Redis, paused: Any) -> Iterator[Mapping[str, Any]]:
    keys = list(_keys(client))
    for at in range(0, len(keys), BATCH):
        for each in paused:
            each.client_pause(PAUSE_MS, all=False)
        seconds, micros = client.time()
        moment = seconds * 1000 + micros // 1000
        pipe = client.pipeline(transaction=False)
        batch = keys[at : at + BATCH]
        for key in batch:
            pipe.dump(key)
            pipe.pttl(key)
        answers = pipe.execute()
        for key, dump, left in zip(batch, answers[::2], answers[1::2], strict=True):
            if dump is not None:
                yield {
                    "key": base64.b64encode(key).decode(),
                    "until": moment + left if left >= 0 else None,
                    "dump": base64.b64encode(dump).decode(),
                }


def _read(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the lines of keys; raise BackupUnusable where the file is no whole backup."""
    digest = hashlib.sha256()
    keys = 0
    ended = False
    try:
        with gzip.open(path, "rb") as lines:
            header = lines.readline()
            _check_header(path, json.loads(header))
            digest.update(header)
            for encoded in lines:
                if ended:
                    raise BackupUnusable(f"{path} goes on past its end")
                line = json.loads(encoded)
                if "dump" in line:
                    digest.update(encoded)
                    keys += 1
                    yield line
                else:
                    ended = True
                    if (line["keys"], line["sha256"]) != (keys, digest.hexdigest()):
                        raise BackupUnusable(f"{path} is damaged: its checksum does not match")
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise BackupUnusable(f"{path} cannot be read as a backup: {error}") from error
    if not ended:
        raise BackupUnusable(f"{path} is cut off before its end")


def _check_header(path: Path, header: Any) -> None:
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise BackupUnusable(f"{path} is not a backup of this store")
    if header.get("version") != VERSION:
        raise BackupUnusable(
            f"{path} is of version {header.get('version')}; this program reads {VERSION}"
        )
