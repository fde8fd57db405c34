"""Backups, from one real Redis into another."""

import base64
import gzip
import json
import stat
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import SecretStr

from cloud.contract import Event, Gate, Label, Role, Subscriber
from cloud.contract.gates import Channel
from cloud.errors import BackupUnusable, StoreNotEmpty
from cloud.settings import Settings
from cloud.store import Store, keyspace, mint, now
from tests.cloud import door
from tests.cloud.conftest import GATE
from tests.doubles.redis_server import RedisServer

Make = Callable[..., Event]


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Store]:
    """A store on another server, which is empty."""
    (tmp_path / "other").mkdir()
    with RedisServer(tmp_path / "other") as server:
        opened = Store.open(Settings(redis_url=SecretStr(server.url)))
        yield opened
        opened.close()


def uncounted(_: int) -> None:
    """For those who watch no progress."""


def accept(store: Store, event: Event) -> str | None:
    answer = door.accept(
        store,
        event,
        gate=GATE,
        device_id="camera",
        pass_lifetime=timedelta(minutes=5),
        now=now(),
    )
    issued = answer.decision.issued_pass
    return issued.token if issued else None


def test_what_was_there_is_there_again(
    store: Store, other: Store, make_event: Make, tmp_path: Path
) -> None:
    key = mint("Zoë 🎭", Role.VIEWER, GATE)
    store.keys.add(key.stored)
    store.gates.subscribe(
        Subscriber(id="a", gate=GATE, channel=Channel.TELEGRAM, address="42", created_at=now())
    )
    granted, refused = make_event(), make_event(Label.WITHOUT_MASK)
    token = accept(store, granted)
    accept(store, refused)
    assert token is not None
    door.redeem(store, scanned="a menu", nonce="nonce-0001", gate=GATE, key_id="k", now=now())
    file = tmp_path / "backup"
    told: list[int] = []
    keys = store.backup.write(file, now(), told.append)
    assert told[-1] == keys > 10
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.glob(".backup*")) == []
    assert key.text.encode() not in gzip.decompress(file.read_bytes())

    assert other.backup.restore(file, now(), told.append) == keys
    moment = now()
    for event in (granted, refused):
        assert other.events.get(event.id, moment) == store.events.get(event.id, moment)
    assert other.keys.authenticate(key.text) == key.stored
    assert other.gates.all() == store.gates.all()
    assert other.redemptions.page() == store.redemptions.page()
    assert len(other.redemptions.page()[0]) == 1
    assert other.pass_index.page(now=moment) == store.pass_index.page(now=moment)
    assert other.queue.job_ids == store.queue.job_ids
    assert len(other.queue.job_ids) == 3
    redeemed = door.redeem(
        other, scanned=token, nonce="nonce-0001", gate=GATE, key_id="k", now=now()
    )
    assert redeemed.outcome.value == "admitted"
    for pattern in (keyspace.event("*"), keyspace.pass_token("*")):
        (name, *_) = other.client.keys(pattern)
        assert abs(other.client.pttl(name) - store.client.pttl(name)) < 10_000


def test_a_backup_of_a_store_at_work_is_of_one_moment(
    store: Store, other: Store, make_event: Make, tmp_path: Path
) -> None:
    stop = threading.Event()
    accepted: list[Event] = []

    def work() -> None:
        while not stop.is_set():
            event = make_event()
            accept(store, event)
            accepted.append(event)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        while len(accepted) < 20:
            assert thread.is_alive()
            stop.wait(0.01)
        store.backup.write(tmp_path / "backup", now(), uncounted)
    finally:
        stop.set()
        thread.join()
    other.backup.restore(tmp_path / "backup", now(), uncounted)
    entries: list[tuple[bytes, dict[bytes, bytes]]] = cast(
        Any, other.client.xrange(keyspace.events())
    )
    assert 20 <= len(entries) <= len(accepted)
    assert other.client.xrange(keyspace.events(GATE)) == entries
    assert other.queue.count == len(entries)
    for _, entry in entries:
        record: dict[bytes, bytes] = cast(Any, other.client).hgetall(
            keyspace.event(entry[b"id"].decode())
        )
        assert other.client.hget(keyspace.pass_(record[b"pass"].decode()), "status") == b"issued"


def test_a_store_that_holds_something_is_left_as_it_is_unless_forced(
    store: Store, other: Store, tmp_path: Path
) -> None:
    file = tmp_path / "backup"
    store.backup.write(file, now(), uncounted)
    other.gates.add(Gate(id="kept", name="Kept", created_at=now()))
    with pytest.raises(StoreNotEmpty, match="--force"):
        other.backup.restore(file, now(), uncounted)
    assert [gate.id for gate in other.gates.all()] == ["kept"]
    other.backup.restore(file, now(), uncounted, force=True)
    assert other.gates.all() == store.gates.all()


def test_what_expired_since_stays_gone(
    store: Store, other: Store, make_event: Make, tmp_path: Path
) -> None:
    accept(store, make_event())
    keys = store.backup.write(tmp_path / "backup", now(), uncounted)
    late = now() + timedelta(minutes=10)
    assert other.backup.restore(tmp_path / "backup", late, uncounted) == keys - 1
    assert other.client.keys(keyspace.pass_token("*")) == []


def _flipped(good: bytes) -> bytes:
    return good[: len(good) // 2] + bytes([good[len(good) // 2] ^ 1]) + good[len(good) // 2 + 1 :]


def _relabelled(good: bytes) -> bytes:
    lines = gzip.decompress(good).splitlines(keepends=True)
    changed = {
        **json.loads(lines[1]),
        "key": base64.b64encode(f"{keyspace.GATES}:x".encode()).decode(),
    }
    return gzip.compress(b"".join([lines[0], json.dumps(changed).encode() + b"\n", *lines[2:]]))


@pytest.mark.parametrize(
    "damage",
    [
        lambda good: b"",
        lambda good: b"hello",
        lambda good: gzip.compress(b"[]\n"),
        lambda good: gzip.compress(b'{"format": "maskgate-backup", "version": 99}\n'),
        lambda good: good[: len(good) // 2],
        _flipped,
        _relabelled,
        lambda good: gzip.compress(b"".join(gzip.decompress(good).splitlines(keepends=True)[:-1])),
        lambda good: gzip.compress(
            b"".join([*gzip.decompress(good).splitlines(keepends=True)[:-1], b'{"keys": 1}\n'])
        ),
    ],
)
def test_a_file_that_is_not_a_whole_backup_changes_nothing(
    store: Store, other: Store, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    file = tmp_path / "backup"
    store.backup.write(file, now(), uncounted)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(BackupUnusable, match="backup"):
        other.backup.restore(file, now(), uncounted, force=True)
    assert other.client.dbsize() == 0


def test_a_folder_that_is_not_there_is_named(store: Store, tmp_path: Path) -> None:
    with pytest.raises(BackupUnusable, match="nowhere"):
        store.backup.write(tmp_path / "nowhere" / "backup", now(), uncounted)


def test_messages_that_the_bot_is_about_to_answer_are_in_no_backup(
    store: Store, other: Store, tmp_path: Path
) -> None:
    store.updates.keep(1, {7: '{"message":"of that time"}'})
    store.updates.mark_handled(1, 6)
    store.backup.write(tmp_path / "one.backup", now(), uncounted)
    other.backup.restore(tmp_path / "one.backup", now(), uncounted)
    assert other.updates.waiting(1) == {}
    assert other.updates.is_handled(1, 6)
