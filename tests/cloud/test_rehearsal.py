import json
from datetime import date
from pathlib import Path

import pytest

from cloud import rehearsal
from cloud.errors import RehearsalFailed
from cloud.store import Store, keyspace
from tests.cloud.processes import environment, process
from tests.cloud.test_main import command
from tests.doubles.redis_server import RedisServer, free_port

DAY = date(2026, 3, 2)


def _keys(redis_server: RedisServer) -> set[bytes]:
    with redis_server.client() as client:
        return {
            key
            for pattern in (keyspace.EVERYTHING, "rq:job:*", "rq:queue:*")
            for key in client.scan_iter(match=pattern)
        }


def test_a_visit_is_played_through_and_leaves_its_line_in_the_audit_trail_alone(
    api_url: str, store: Store, redis_server: RedisServer, tmp_path: Path
) -> None:
    env = environment(redis_server.url)
    with process("worker", env=env, log=tmp_path / "worker.log"):
        before = _keys(redis_server)
        done = command("rehearse", "--api-url", f"{api_url}/", "--json", env=env)
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert list(told["steps"]) == [
        "wait for the api",
        "make a gate",
        "enrol a camera",
        "be refused",
        "be granted",
        "get the code",
        "enter once",
    ]
    left = _keys(redis_server) - before
    # Answers to redemptions and counted enrolments are forgotten within the hour, by themselves.
    by_themselves = tuple(
        key.encode() for key in (keyspace.REDEMPTION_PREFIX, keyspace.LIMITS, keyspace.LOST_JOBS)
    )
    stay = {key for key in left if not key.startswith(by_themselves)}
    assert stay <= {
        keyspace.AUDIT.encode(),
        keyspace.PURGED.encode(),
        keyspace.events().encode(),
        keyspace.redemptions().encode(),
    }
    with redis_server.client() as client:
        assert client.xlen(keyspace.events()) == client.xlen(keyspace.redemptions()) == 0
    assert [gate.id for gate in store.gates.all()] == ["back", "main"]
    assert store.devices.all() == []
    assert store.keys.all() == []
    (entry, *_) = store.audit.page()[0]
    assert (entry.act, entry.subject) == ("cloud.rehearsed", f"gate:{told['gate']}")


def test_other_gates_keep_their_events_and_counters(
    store: Store, redis_server: RedisServer, api_url: str, device: object, make_event: object
) -> None:
    with redis_server.client() as client:
        client.hset(keyspace.quarters("main", DAY), "33:judged", 1)
        client.hset(keyspace.quarters("main-2", DAY), "33:judged", 1)
        store.erasure.gate("main-2")
        assert list(client.scan_iter(keyspace.counters_of("*"))) == [
            keyspace.quarters("main", DAY).encode()
        ]


def test_without_a_worker_it_says_so_and_still_cleans_up(
    api_url: str, store: Store, redis_server: RedisServer
) -> None:
    with pytest.raises(RehearsalFailed, match="get the code: no worker drew the code within 3 s"):
        rehearsal.rehearse(store, api_url, 3)
    assert [gate.id for gate in store.gates.all()] == ["back", "main"]
    assert store.devices.all() == []


def test_an_api_that_is_not_there_is_named(env_of_nobody: dict[str, str]) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    done = command("rehearse", "--api-url", address, "--timeout-s", "1", env=env_of_nobody)
    assert done.exit_code == 2
    assert address in done.stderr


@pytest.fixture
def env_of_nobody(redis_server: RedisServer, store: Store) -> dict[str, str]:
    return environment(redis_server.url)
