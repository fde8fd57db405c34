from datetime import timedelta

import httpx
import pytest

from cloud.contract import Device, Enrolment, EnrolmentCode, Role
from cloud.store import Store, now
from tests.cloud.api.routes.test_events import code_of
from tests.cloud.conftest import GATE, OTHER_GATE, Login

HEARTBEAT = {
    "sent_at": "2026-03-02T08:15:30Z",
    "camera": "live",
    "fps": 14.8,
    "latency_ms": 41.5,
    "outbox_depth": 2,
    "version": "0.1.0",
}


def new_code(operator: httpx.Client) -> str:
    answer = operator.post(f"/v1/gates/{GATE}/enrolment-codes")
    assert answer.status_code == 201
    return EnrolmentCode.model_validate_json(answer.content).code


def devices(client: httpx.Client) -> list[Device]:
    return [Device.model_validate(each) for each in client.get("/v1/devices").json()]


def test_a_device_is_enrolled_reports_and_is_shut_out(login: Login, operator: httpx.Client) -> None:
    camera = login(None)
    body = {"code": new_code(operator), "name": "Camera", "version": "0.1.0"}
    answer = camera.post("/v1/devices/enrol", json=body)
    assert answer.status_code == 201
    enrolment = Enrolment.model_validate_json(answer.content)
    assert enrolment.gate == GATE

    camera.headers["Authorization"] = f"Bearer {enrolment.device_key}"
    assert camera.post("/v1/devices/me/heartbeat", json=HEARTBEAT).status_code == 204
    (device,) = devices(operator)
    assert device.id == enrolment.device_id
    assert device.last_heartbeat is not None
    assert device.last_heartbeat.outbox_depth == 2
    assert device.last_seen_at is not None

    assert operator.delete(f"/v1/devices/{device.id}").status_code == 204
    assert code_of(camera.post("/v1/devices/me/heartbeat", json=HEARTBEAT)) == "key_revoked"
    assert devices(operator)[0].revoked


def test_a_device_is_renamed_with_its_key_and_goes_on(
    login: Login, operator: httpx.Client, store: Store
) -> None:
    camera = login(Role.DEVICE)
    assert camera.post("/v1/devices/me/heartbeat", json=HEARTBEAT).status_code == 204
    (device,) = devices(operator)
    answer = operator.patch(f"/v1/devices/{device.id}", json={"name": " South camera "})
    assert answer.status_code == 200
    renamed = Device.model_validate_json(answer.content)
    assert renamed == device.model_copy(update={"name": "South camera"})
    assert devices(operator) == [renamed]
    assert camera.get("/v1/keys/me").json()["name"] == "South camera"
    (entry, *_) = store.audit.page()[0]
    assert (entry.act, entry.detail) == ("device.changed", 'name: "camera" → "South camera"')
    for nothing in ({}, {"name": None}, {"name": "South camera"}, {"colour": "red"}):
        answer = operator.patch(f"/v1/devices/{device.id}", json=nothing)
        assert (answer.status_code, answer.json()["name"]) == (200, "South camera")
    assert len(store.audit.page()[0]) == 1
    for bad in ("", "x" * 81, "a\nb", 7):
        answer = operator.patch(f"/v1/devices/{device.id}", json={"name": bad})
        assert code_of(answer) == "malformed_request"


def test_a_device_is_announced_to_be_off_and_that_is_taken_back(
    login: Login, operator: httpx.Client, store: Store
) -> None:
    login(Role.DEVICE)
    path = f"/v1/devices/{devices(operator)[0].id}"
    until = now() + timedelta(hours=2)
    for _ in range(2):
        answer = operator.patch(path, json={"expected_offline_until": until.isoformat()})
        assert answer.status_code == 200
        assert devices(operator)[0].expected_offline_until == until
    assert operator.patch(path, json={"name": "Gate camera"}).json()["expected_offline_until"]
    assert operator.patch(path, json={"expected_offline_until": None}).status_code == 200
    assert devices(operator)[0].expected_offline_until is None
    acts = [entry.detail for entry in store.audit.page()[0]]
    assert len(acts) == 3
    assert acts[0].endswith("→ null")
    assert acts[2].startswith("expected_offline_until: null → ")


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(seconds=-5), timedelta(days=32)])
def test_an_absence_that_is_over_or_too_long_is_refused(
    login: Login, operator: httpx.Client, ahead: timedelta
) -> None:
    login(Role.DEVICE)
    path = f"/v1/devices/{devices(operator)[0].id}"
    moment = (now() + ahead).isoformat()
    answer = operator.patch(path, json={"name": "x", "expected_offline_until": moment})
    assert (answer.status_code, code_of(answer)) == (422, "malformed_request")
    assert "31 days" in answer.text
    assert devices(operator)[0].name == "camera"
    scanner = login(Role.SCANNER)
    assert scanner.patch(path, json={"expected_offline_until": None}).status_code == 403


def test_renaming_a_devices_key_renames_the_device(login: Login, operator: httpx.Client) -> None:
    key_id = login(Role.DEVICE).get("/v1/keys/me").json()["id"]
    answer = login(Role.ADMIN).patch(f"/v1/keys/{key_id}", json={"name": "South camera"})
    assert answer.status_code == 200
    assert devices(operator)[0].name == "South camera"


def test_a_device_of_another_gate_or_of_none_is_not_changed(
    login: Login, operator: httpx.Client
) -> None:
    login(Role.DEVICE)
    path = f"/v1/devices/{devices(operator)[0].id}"
    other = login(Role.OPERATOR, OTHER_GATE)
    assert code_of(other.patch(path, json={"name": "x"})) == "gate_forbidden"
    assert code_of(other.delete(path)) == "gate_forbidden"
    for answer in (
        operator.patch("/v1/devices/nothing", json={"name": "x"}),
        operator.delete("/v1/devices/nothing"),
    ):
        assert (answer.status_code, code_of(answer)) == (404, "device_unknown")


def test_a_device_shut_out_twice_is_told_of_once(
    login: Login, operator: httpx.Client, store: Store
) -> None:
    login(Role.DEVICE)
    path = f"/v1/devices/{devices(operator)[0].id}"
    for _ in range(2):
        assert operator.delete(path).status_code == 204
    assert [entry.act for entry in store.audit.page()[0]] == ["device.revoked"]


def test_a_code_is_good_once(login: Login, operator: httpx.Client) -> None:
    body = {"code": new_code(operator), "name": "Camera"}
    camera = login(None)
    assert camera.post("/v1/devices/enrol", json=body).status_code == 201
    again = camera.post("/v1/devices/enrol", json=body)
    assert again.status_code == 403
    assert code_of(again) == "enrolment_code_invalid"
    assert body["code"] not in again.text


def test_a_devices_name_is_one_line(login: Login, operator: httpx.Client) -> None:
    # It comes to stand in the subject of a mail when the device falls silent.
    body = {"code": new_code(operator), "name": "Camera\r\nBcc: all@example.org"}
    answer = login(None).post("/v1/devices/enrol", json=body)
    assert (answer.status_code, code_of(answer)) == (422, "malformed_request")
    assert login(None).post("/v1/devices/enrol", json={**body, "name": "Cámara"}).is_success


@pytest.mark.parametrize(
    "change",
    [{"fps": -1}, {"camera": "asleep"}, {"sent_at": "now"}, {"outbox_depth": None}],
)
def test_a_heartbeat_that_breaks_the_contract_is_refused(
    device: httpx.Client, change: dict[str, object]
) -> None:
    answer = device.post("/v1/devices/me/heartbeat", json={**HEARTBEAT, **change})
    assert code_of(answer) == "malformed_request"


def test_devices_are_seen_and_shut_out_at_ones_own_gate(login: Login) -> None:
    login(Role.DEVICE, GATE)
    login(Role.DEVICE, OTHER_GATE)
    operator = login(Role.OPERATOR, GATE)
    assert [device.gate for device in devices(operator)] == [GATE]
    stranger = next(each for each in devices(login(Role.VIEWER)) if each.gate == OTHER_GATE)
    assert code_of(operator.delete(f"/v1/devices/{stranger.id}")) == "gate_forbidden"


def test_a_device_that_is_not_there_is_said_to_be_unknown(operator: httpx.Client) -> None:
    assert code_of(operator.delete("/v1/devices/nothing")) == "device_unknown"


def test_revoking_a_devices_key_revokes_the_device(login: Login, device: httpx.Client) -> None:
    admin = login(Role.ADMIN)
    (key,) = [key for key in admin.get("/v1/keys").json() if key["role"] == "device"]
    assert admin.delete(f"/v1/keys/{key['id']}").status_code == 204
    assert devices(admin)[0].revoked
    assert code_of(device.post("/v1/devices/me/heartbeat", json=HEARTBEAT)) == "key_revoked"
