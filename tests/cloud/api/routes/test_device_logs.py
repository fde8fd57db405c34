import httpx

from cloud.contract import Role
from cloud.store import Store, keyspace
from tests.cloud.api.routes.test_commands import the_id, waiting
from tests.cloud.api.routes.test_events import code_of
from tests.cloud.conftest import Login

LOG = {"taken_at": "2026-03-02T08:15:30Z", "lines": ["camera_stalled", "camera_resumed"]}


def test_an_operator_asks_for_a_log_and_reads_it_for_an_hour(
    device: httpx.Client, operator: httpx.Client, store: Store
) -> None:
    device_id = the_id(operator)
    path = f"/v1/devices/{device_id}/log"
    assert code_of(operator.get(path)) == "log_absent"
    assert operator.post(path, json={"lines": 2}).status_code == 202
    (command,) = waiting(device)
    assert (command.kind, command.lines) == ("send_log", 2)
    assert device.put("/v1/devices/me/log", json=LOG).status_code == 204
    answer = operator.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.json()["lines"] == LOG["lines"]
    assert 3500 < store.client.ttl(keyspace.device_log(device_id)) <= 3600
    assert operator.post(path, json={}).status_code == 202
    assert code_of(operator.get(path)) == "log_absent", "the old lines are not taken for the new"


def test_a_log_is_for_operators_and_bounded(
    device: httpx.Client, login: Login, operator: httpx.Client
) -> None:
    path = f"/v1/devices/{the_id(operator)}/log"
    assert code_of(login(Role.VIEWER).get(path)) == "role_forbidden"
    assert code_of(operator.post(path, json={"lines": 1001})) == "malformed_request"
    large = device.put("/v1/devices/me/log", json={**LOG, "lines": ["x" * 2000] * 200})
    assert code_of(large) == "body_too_large"
