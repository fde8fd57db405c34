"""Metrics of devices, backups and Redis, scraped from a real API over a real Redis."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from structlog.testing import capture_logs

from cloud.api.store_metrics import KEPT_FOR_S, Readout, StoreMetrics
from cloud.contract import CameraState, EnrolmentRequest, Gate, Heartbeat
from cloud.settings import Settings
from cloud.store import Reading, Store, keyspace, now
from tests.cloud.conftest import GATE, OTHER_GATE, serving
from tests.doubles.redis_server import RedisServer

PATIENCE_S = 60
OFFLINE_AFTER = timedelta(seconds=60)


def enrolled(store: Store, name: str = "Door 1", gate: str = GATE) -> str:
    code = store.devices.new_code(gate, timedelta(minutes=5), now()).code
    return store.devices.enrol(EnrolmentRequest(code=code, name=name), now()).device_id


def beat(store: Store, device: str, at: datetime, **changes: Any) -> None:
    said = {
        "sent_at": at,
        "camera": CameraState.LIVE,
        "fps": 15,
        "latency_ms": 40,
        "outbox_depth": 0,
        "models": {"faces": "ab" * 32},
        "version": "0.1.0",
    }
    store.devices.beat(device, Heartbeat.model_validate({**said, **changes}), at)


def families(text: str) -> dict[str, list[Any]]:
    return {family.name: family.samples for family in text_string_to_metric_families(text)}


def values(text: str, name: str) -> dict[str, float]:
    """Return a metric's values by device."""
    return {sample.labels["device"]: sample.value for sample in families(text)[name]}


def alone(text: str, name: str) -> float:
    (sample,) = families(text)[name]
    return float(sample.value)


@pytest.fixture
def api(settings: Settings, store: Store) -> Iterator[httpx.Client]:
    """An API of this test's own, whose first page is made for it."""
    with serving(settings) as address, httpx.Client(base_url=address, timeout=PATIENCE_S) as client:
        yield client


def test_devices_are_online_away_finished_or_not_there_yet(api: httpx.Client, store: Store) -> None:
    online, away, finished, new = (enrolled(store) for _ in range(4))
    gone = enrolled(store)
    at = now()
    beat(store, online, at, outbox_depth=3, version="0.2.0", problems=["disk_full"])
    beat(store, away, at - timedelta(seconds=300), camera=CameraState.RECONNECTING)
    beat(store, finished, at - timedelta(seconds=300), camera=CameraState.ENDED, finished=True)
    beat(store, gone, at)
    store.devices.revoke(gone)

    page = api.get("/metrics").text

    assert values(page, "maskgate_device_online") == {online: 1, away: 0, finished: 0, new: 0}
    assert values(page, "maskgate_device_expected") == {online: 1, away: 1, finished: 0, new: 0}
    seen = values(page, "maskgate_device_last_seen_timestamp_seconds")
    assert seen == pytest.approx(
        {online: at.timestamp(), away: at.timestamp() - 300, finished: at.timestamp() - 300}
    )
    assert values(page, "maskgate_device_outbox_depth")[online] == 3
    assert values(page, "maskgate_device_problems") == {online: 1, away: 0, finished: 0}
    camera = families(page)["maskgate_device_camera_state"]
    assert {(each.labels["device"], each.labels["state"]) for each in camera if each.value} == {
        (online, "live"),
        (away, "reconnecting"),
        (finished, "ended"),
    }
    assert len(camera) == 3 * len(CameraState)
    versions = families(page)["maskgate_device_info"]
    assert {each.labels["device"]: each.labels["version"] for each in versions}[online] == "0.2.0"
    counted = families(page)["maskgate_devices"]
    assert {each.labels["status"]: each.value for each in counted} == {"online": 1, "offline": 3}
    assert gone not in page


def test_a_device_whose_absence_was_announced_or_that_was_enrolled_anew_is_not_expected(
    api: httpx.Client, store: Store
) -> None:
    at = now()
    announced, missed = enrolled(store, "North"), enrolled(store, "South")
    before = enrolled(store, "East")
    for device in (announced, missed, before):
        beat(store, device, at - timedelta(seconds=300))
    store.absences.announce(announced, at + timedelta(hours=1))
    anew = enrolled(store, "East")
    beat(store, anew, now())
    page = api.get("/metrics").text
    assert values(page, "maskgate_device_online") == {announced: 0, missed: 0, before: 0, anew: 1}
    assert values(page, "maskgate_device_expected") == {
        announced: 0,
        missed: 1,
        before: 0,
        anew: 1,
    }


def test_a_device_is_named_by_id_gate_and_what_people_call_it(
    api: httpx.Client, store: Store
) -> None:
    name = r'Café "north" \ 1'
    device = enrolled(store, name, OTHER_GATE)
    (sample,) = families(api.get("/metrics").text)["maskgate_device_online"]
    assert sample.labels == {"device": device, "gate": OTHER_GATE, "name": name}


def test_the_page_holds_no_key_and_no_model(api: httpx.Client, store: Store) -> None:
    code = store.devices.new_code(GATE, timedelta(minutes=5), now()).code
    enrolment = store.devices.enrol(EnrolmentRequest(code=code, name="Door 1"), now())
    beat(store, enrolment.device_id, now())
    page = api.get("/metrics").text
    assert enrolment.device_id in page
    # The key's random part may hold a `_`, so it is not cut there.
    for secret in (code, enrolment.device_key, enrolment.device_key[-20:], "ab" * 32):
        assert secret not in page


def test_so_many_devices_are_named_as_the_setting_says_and_all_are_counted(
    settings: Settings, store: Store
) -> None:
    devices = [enrolled(store, f"Door {number}") for number in range(4)]
    store.devices.revoke(devices[0])
    for device in devices[2:]:
        beat(store, device, now())
    few = settings.model_copy(update={"metrics_devices": 1})
    with serving(few) as address:
        page = httpx.get(f"{address}/metrics", timeout=PATIENCE_S).text
    assert values(page, "maskgate_device_online") == {devices[1]: 0}
    assert alone(page, "maskgate_devices_unlisted") == 2
    counted = families(page)["maskgate_devices"]
    assert {each.labels["status"]: each.value for each in counted} == {"online": 2, "offline": 1}


def test_no_device_is_named_where_the_setting_is_0(settings: Settings, store: Store) -> None:
    enrolled(store)
    with serving(settings.model_copy(update={"metrics_devices": 0})) as address:
        page = httpx.get(f"{address}/metrics", timeout=PATIENCE_S).text
    assert families(page)["maskgate_device_online"] == []
    assert "maskgate_devices_unlisted" not in page
    assert 'maskgate_devices{status="offline"} 1.0' in page


def test_with_redis_away_the_page_answers_without_devices_and_has_them_again_later(
    tmp_path: Path,
) -> None:
    with RedisServer(tmp_path) as server:
        settings = Settings(redis_url=SecretStr(server.url))
        own = Store.open(settings)
        own.gates.add(Gate(id=GATE, name="Main", created_at=now()))
        beat(own, enrolled(own), now())
        own.close()
        with serving(settings) as address:
            server.stop()
            page = httpx.get(f"{address}/metrics", timeout=PATIENCE_S)
            assert page.status_code == 200
            assert alone(page.text, "maskgate_store_up") == 0
            assert "maskgate_device" not in page.text
            assert "maskgate_backup" not in page.text
            server.start()
            page = httpx.get(f"{address}/metrics", timeout=PATIENCE_S)
            assert alone(page.text, "maskgate_store_up") == 1
            assert list(values(page.text, "maskgate_device_online").values()) == [1]


def test_a_record_that_cannot_be_read_is_logged_and_the_rest_of_the_page_answers(
    settings: Settings, store: Store, redis_server: RedisServer
) -> None:
    with redis_server.client() as client:
        client.hset(keyspace.DEVICES, "broken", "{}")
    with capture_logs() as logs, serving(settings) as address:
        page = httpx.get(f"{address}/metrics", timeout=PATIENCE_S)
    assert page.status_code == 200
    assert alone(page.text, "maskgate_store_up") == 1
    assert "maskgate_device_online" not in page.text
    assert [each["event"] for each in logs].count("metrics_incomplete") == 1


def test_a_reading_takes_as_many_commands_for_many_devices_as_for_one(tmp_path: Path) -> None:
    # A server of its own: on a shared one, others' commands would count too.
    with RedisServer(tmp_path) as server, server.client() as client:
        own = Store.open(Settings(redis_url=SecretStr(server.url)))
        own.gates.add(Gate(id=GATE, name="Main", created_at=now()))

        def commands() -> int:
            before = client.info("stats")["total_commands_processed"]
            own.readings.take()
            return int(client.info("stats")["total_commands_processed"] - before)

        enrolled(own)
        own.readings.take()  # the connection is made, and says hello
        with_one = commands()
        for _ in range(20):
            beat(own, enrolled(own), now())
        assert commands() == with_one
        assert len(own.readings.take().devices) == 21
        own.close()


def test_who_asks_often_is_given_the_same_text_for_some_seconds(store: Store) -> None:
    taken: list[Reading] = []
    clock = iter([0.0, 0.0, KEPT_FOR_S - 0.1, KEPT_FOR_S, KEPT_FOR_S])

    def take() -> Reading:
        taken.append(store.readings.take())
        return taken[-1]

    metrics = StoreMetrics(take, offline_after=OFFLINE_AFTER, named=10, clock=lambda: next(clock))
    device = enrolled(store)
    first = metrics.text()
    enrolled(store)
    assert metrics.text() == first
    assert len(taken) == 1
    later = metrics.text().decode()
    assert len(taken) == 2
    assert len(values(later, "maskgate_device_online")) == 2
    assert device in later


def test_the_last_backup_that_succeeded_is_told(
    api: httpx.Client, store: Store, settings: Settings, tmp_path: Path
) -> None:
    name = "maskgate_backup_last_success_timestamp_seconds"
    assert alone(api.get("/metrics").text, name) == 0
    at = now() - timedelta(hours=3)
    store.backup.write(tmp_path / "of-now.backup", at, lambda _: None)
    assert store.readings.take().backed_up_at == at
    with serving(settings) as address:
        page = httpx.get(f"{address}/metrics", timeout=PATIENCE_S).text
    assert alone(page, name) == pytest.approx(at.timestamp())


def test_a_backup_that_fails_is_no_backup(store: Store, tmp_path: Path) -> None:
    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.backup.write(tmp_path / "of-now.backup", now(), interrupted)
    assert store.readings.take().backed_up_at is None


def test_redis_says_how_full_it_is_and_whether_it_writes_its_log(tmp_path: Path) -> None:
    limit = 64 * 1024 * 1024
    with RedisServer(tmp_path, "--maxmemory", str(limit)) as server:
        own = Store.open(Settings(redis_url=SecretStr(server.url)))
        state = own.readings.take().redis["data"]
        assert 0 < state.memory_bytes < state.memory_limit_bytes == limit
        assert state.log_is_written is True
        with server.client() as client:
            client.config_set("appendonly", "no")
        assert own.readings.take().redis["data"].log_is_written is None
        own.close()


def test_a_queue_elsewhere_is_told_apart(
    tmp_path: Path, store: Store, redis_server: RedisServer
) -> None:
    with RedisServer(tmp_path, "--maxmemory", "64mb") as server:
        both = Store.open(
            Settings(redis_url=SecretStr(redis_server.url), queue_url=SecretStr(server.url))
        )
        states = both.readings.take().redis
        both.close()
    assert {name: state.memory_limit_bytes for name, state in states.items()} == {
        "data": 0,
        "queue": 64 * 1024 * 1024,
    }


def test_where_redis_gives_no_information_of_itself_devices_are_told_all_the_same(
    store: Store, redis_server: RedisServer
) -> None:
    with redis_server.client() as client:
        client.acl_setuser(
            "plain",
            enabled=True,
            nopass=True,
            keys=["*"],
            channels=["*"],
            commands=["+@all", "-info"],
        )
    try:
        enrolled(store)
        url = redis_server.url.replace("redis://", "redis://plain:any@")
        plain = Store.open(Settings(redis_url=SecretStr(url)))
        reading = plain.readings.take()
        plain.close()
    finally:
        with redis_server.client() as client:
            client.acl_deluser("plain")
    assert len(reading.devices) == 1
    assert reading.redis == {}


def test_every_metric_says_what_it_is(store: Store) -> None:
    families = list(Readout(store.readings.take(), now(), OFFLINE_AFTER, 10).collect())
    assert len(families) > 10
    for family in families:
        assert family.name.startswith("maskgate_")
        assert len(family.documentation) > 10
