"""This version reads the data that earlier versions left in Redis, and works with it.

tests/upgrade/write.py made each folder beside it, with the version that it is named for. Of 0.1.0
there are two: what it left before records were kept in one piece each, and after.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr
from uuid_utils.compat import uuid7

from cloud.settings import Settings
from cloud.store import Store, UndoOutcome
from tests.cloud.conftest import serving
from tests.cloud.processes import ROOT, environment
from tests.doubles.redis_server import RedisServer
from tests.upgrade.write import HERE, PASSWORD, RETENTION

VERSIONS = sorted(folder for folder in HERE.glob("v*") if folder.is_dir())


@pytest.fixture(scope="module", params=VERSIONS, ids=lambda folder: folder.name)
def version(request: pytest.FixtureRequest) -> Path:
    kept: Path = request.param
    return kept


@pytest.fixture(scope="module")
def told(version: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((version / "told.json").read_text())
    return read


@pytest.fixture(scope="module", params=["append-only file", "backup"])
def kept_as(request: pytest.FixtureRequest) -> str:
    """Return each of the two forms of the kept data: the append-only file and the backup."""
    return str(request.param)


@contextmanager
def _left(version: Path, kept_as: str, folder: Path) -> Iterator[RedisServer]:
    """Run a Redis with the data of a version."""
    if kept_as == "append-only file":
        shutil.copy(version / "appendonly.aof", folder)
    with RedisServer(folder) as started:
        if kept_as == "backup":
            _run(started, "restore", str(version / "maskgate.backup"))
        yield started


@pytest.fixture(scope="module")
def server(
    version: Path, kept_as: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RedisServer]:
    """Run a Redis for tests that do not change the data."""
    with _left(version, kept_as, tmp_path_factory.mktemp("redis")) as started:
        yield started


@pytest.fixture
def own_server(version: Path, kept_as: str, tmp_path: Path) -> Iterator[RedisServer]:
    """Run a Redis for a test that changes the data."""
    with _left(version, kept_as, tmp_path) as started:
        yield started


def _run(server: RedisServer, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cloud", *arguments],
        env=environment(server.url, **RETENTION),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _settings(server: RedisServer) -> Settings:
    return Settings(redis_url=SecretStr(server.url), retention_days=3650, audit_days=3650)


@contextmanager
def _api(server: RedisServer) -> Iterator[httpx.Client]:
    with (
        serving(_settings(server)) as address,
        httpx.Client(base_url=address, timeout=60) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def api(server: RedisServer) -> Iterator[httpx.Client]:
    with _api(server) as client:
        yield client


def _as(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


MOVING = {"status", "last_seen_at"}
"""Fields that depend on the time of reading: an issued pass expires, a device goes offline."""


def _contains(now: Any, then: Any, where: str = "") -> None:
    """Fail unless `now` has all of `then` unchanged; `now` may have new fields."""
    if isinstance(then, dict):
        assert isinstance(now, dict), where
        for name, value in then.items():
            if name not in MOVING:
                assert name in now, f"{where}.{name} is gone"
                _contains(now[name], value, f"{where}.{name}")
    elif isinstance(then, list):
        assert len(now) >= len(then), where
        for at, (new, old) in enumerate(zip(now, then, strict=False)):
            _contains(new, old, f"{where}[{at}]")
    else:
        assert now == then, where


def _of_people(audit: dict[str, Any]) -> list[Any]:
    return [entry for entry in audit["items"] if not entry["act"].startswith("store.")]


def test_everything_is_answered_as_it_was(api: httpx.Client, told: dict[str, Any]) -> None:
    for path, then in told["reads"].items():
        answer = api.get(path, headers=_as(told["admin"]))
        assert answer.status_code == 200, f"{path}: {answer.text}"
        now = answer.json()
        if path == "/v1/audit":  # purge, backup and restore are written into it, in their time
            _contains(_of_people(now), _of_people(then), path)
        else:
            _contains(now, then, path)


def test_keys_are_good_and_a_revoked_one_is_not(api: httpx.Client, told: dict[str, Any]) -> None:
    for key in (told["admin"], told["scanner"], told["device"]["device_key"]):
        seen = api.get("/v1/gates", headers=_as(key))
        assert seen.status_code in {200, 403}
    assert api.get("/v1/gates", headers=_as(told["revoked"])).status_code == 401


def test_a_password_is_good(own_server: RedisServer) -> None:
    with _api(own_server) as api:  # signing in is written into the audit trail
        signed_in = api.post("/v1/sessions", json={"name": "Ana", "password": PASSWORD})
    assert signed_in.status_code == 201, signed_in.text


def test_an_event_that_is_sent_again_gets_its_decision_again(
    api: httpx.Client, told: dict[str, Any]
) -> None:
    device = _as(told["device"]["device_key"])
    for event, then in zip(told["events"], told["decisions"], strict=True):
        again = api.post("/v1/events", json=event, headers=device)
        assert again.status_code == 200, again.text
        _contains(again.json(), {**then, "pass": None} if again.json()["pass"] is None else then)
    other = api.post("/v1/events", json={**told["events"][0], "votes": 3}, headers=device)
    assert other.status_code == 409


def test_a_used_pass_stays_used(api: httpx.Client, told: dict[str, Any]) -> None:
    attempt = {"token": told["decisions"][2]["pass"]["token"], "nonce": "of-a-later-version"}
    answer = api.post("/v1/passes/redeem", json=attempt, headers=_as(told["scanner"])).json()
    assert answer["outcome"] == "already_redeemed"
    _contains(answer["redeemed_at"], told["redemption"]["redeemed_at"])


@pytest.mark.parametrize("nonce", [None, "nonce-of-the-turnstile"])
def test_a_redemption_of_then_can_be_undone(
    own_server: RedisServer, told: dict[str, Any], nonce: str | None
) -> None:
    store = Store.open(_settings(own_server))
    try:
        held = store.passes.get(UUID(told["decisions"][2]["pass"]["id"]))
        assert held is not None
        assert held.redeemed_at is not None
        soon = held.redeemed_at + timedelta(seconds=1)
        assert store.passes.undo(held, None, soon, "another-nonce") is UndoOutcome.OTHER_NONCE
        assert store.passes.undo(held, None, soon, nonce) is UndoOutcome.UNDONE
    finally:
        store.close()


def test_statistics_still_count_what_was_counted(api: httpx.Client, told: dict[str, Any]) -> None:
    first = datetime.fromisoformat(told["decisions"][0]["decided_at"])
    day = first.replace(hour=0, minute=0, second=0, microsecond=0)
    until = day + timedelta(days=2)
    span = {"gate": "main", "since": day.isoformat(), "until": until.isoformat(), "by": "day"}
    answer = api.get("/v1/stats", params=span, headers=_as(told["admin"]))
    assert answer.status_code == 200, answer.text
    assert '"granted"' in answer.text


def test_a_worker_of_this_version_does_the_jobs_that_wait(
    own_server: RedisServer, told: dict[str, Any]
) -> None:
    store = Store.open(_settings(own_server))
    try:
        assert store.waiting_jobs() == 2
        _run(own_server, "worker", "--burst")
        assert store.waiting_jobs() == 0
    finally:
        store.close()
    with _api(own_server) as api:
        newest = api.get("/v1/deliveries", headers=_as(told["admin"])).json()["items"][0]
    assert newest["event_id"] == told["events"][3]["id"]
    assert newest["status"] == "undelivered_by_choice"


def test_a_device_of_then_posts_to_the_cloud_of_now(
    own_server: RedisServer, told: dict[str, Any]
) -> None:
    moment = datetime.now(UTC).isoformat()
    event = {**told["events"][2], "id": str(uuid7())}
    event |= {"first_seen_at": moment, "occurred_at": moment}
    with _api(own_server) as api:
        answer = api.post("/v1/events", json=event, headers=_as(told["device"]["device_key"]))
    assert answer.status_code == 201, answer.text
    assert answer.json()["access"] == "granted"
