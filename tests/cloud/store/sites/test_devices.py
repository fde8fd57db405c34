import threading
from datetime import timedelta

import pytest

from cloud.contract import CameraReport, CameraState, Enrolment, EnrolmentRequest, Heartbeat, Role
from cloud.errors import EnrolmentCodeInvalid, KeyRevoked
from cloud.store import Store, keyspace, now
from tests.cloud.conftest import GATE
from tests.doubles.redis_server import RedisServer

HOUR = timedelta(hours=1)


def enrol(store: Store, code: str) -> Enrolment:
    return store.devices.enrol(EnrolmentRequest(code=code, name="camera", version="0.1.0"), now())


def test_a_code_enrols_one_device_with_a_key_for_its_gate(store: Store) -> None:
    enrolled = enrol(store, f" {store.devices.new_code(GATE, HOUR, now()).code}\n")
    key = store.keys.authenticate(enrolled.device_key)
    assert (key.role, key.gate, key.device_id) == (Role.DEVICE, GATE, enrolled.device_id)
    (device,) = store.devices.all()
    assert (device.id, device.name, device.gate) == (enrolled.device_id, "camera", GATE)
    assert device.last_heartbeat is None


def test_a_code_works_once_even_for_many_at_once(store: Store) -> None:
    code = store.devices.new_code(GATE, HOUR, now()).code
    results: list[str] = []

    def attempt() -> None:
        try:
            enrol(store, code)
        except EnrolmentCodeInvalid:
            results.append("refused")
        else:
            results.append("enrolled")

    threads = [threading.Thread(target=attempt) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["enrolled"] + ["refused"] * 9
    assert len(store.devices.all()) == len(store.keys.all()) == 1


@pytest.mark.parametrize("code", ["", "nothing", "4mXw9RtB4zKq"])
def test_a_code_that_was_never_made_enrols_nobody(store: Store, code: str) -> None:
    with pytest.raises(EnrolmentCodeInvalid):
        store.devices.enrol(EnrolmentRequest.model_construct(code=code, name="x"), now())


def test_a_code_expires(store: Store, redis_server: RedisServer) -> None:
    code = store.devices.new_code(GATE, HOUR, now() - 2 * HOUR).code
    with pytest.raises(EnrolmentCodeInvalid):
        enrol(store, code)
    with redis_server.client() as client:
        (kept,) = client.keys(keyspace.enrolment_code("*"))
        assert 0 < client.ttl(kept) <= HOUR.total_seconds()
        assert code.encode() not in kept


def test_the_last_heartbeat_is_kept_with_our_own_time(store: Store) -> None:
    enrolled = enrol(store, store.devices.new_code(GATE, HOUR, now()).code)
    heartbeat = Heartbeat(
        sent_at=now() - HOUR,
        camera=CameraState.RECONNECTING,
        fps=0,
        latency_ms=0,
        outbox_depth=3,
        version="0.1.0",
        cameras={"side": CameraReport(state=CameraState.RECONNECTING, fps=0, latency_ms=0)},
    )
    seen = now()
    store.devices.beat(enrolled.device_id, heartbeat, seen)
    (device,) = store.devices.all()
    assert (device.last_heartbeat, device.last_seen_at) == (heartbeat, seen)


def test_a_revoked_device_is_shut_out(store: Store) -> None:
    enrolled = enrol(store, store.devices.new_code(GATE, HOUR, now()).code)
    assert store.devices.revoke(enrolled.device_id)
    with pytest.raises(KeyRevoked):
        store.keys.authenticate(enrolled.device_key)
    assert store.devices.all()[0].revoked
    assert not store.devices.revoke("nothing")
