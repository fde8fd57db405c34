"""What devices are told, over a real socket, with a device that polls and one that lost its way."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import httpx
import pytest

from cloud.contract import Command, CommandKind, Role
from cloud.errors import DeviceUnknown
from cloud.settings import Settings
from cloud.store import Store, now
from cloud.store.sites.long_polls import LongPolls
from tests.cloud.api.routes.test_devices import HEARTBEAT, devices
from tests.cloud.api.routes.test_events import code_of
from tests.cloud.conftest import GATE, OTHER_GATE, Login, serving


def waiting(device: httpx.Client, **query: str | float) -> list[Command]:
    answer = device.get("/v1/devices/me/commands", params=query)
    assert answer.status_code == 200, answer.text
    return [Command.model_validate(each) for each in answer.json()["items"]]


def the_id(operator: httpx.Client) -> str:
    return devices(operator)[0].id


def test_a_command_comes_until_it_is_acknowledged(
    device: httpx.Client, operator: httpx.Client
) -> None:
    assert waiting(device) == []
    path = f"/v1/devices/{the_id(operator)}"
    assert operator.post(f"{path}/roll").status_code == 202
    assert operator.post(f"{path}/reload").status_code == 202
    first = waiting(device)
    assert [command.kind for command in first] == ["roll_key", "reload"]
    assert waiting(device) == first
    assert waiting(device, after=first[0].id) == first[1:]
    assert waiting(device, after=first[1].id) == []
    assert waiting(device) == []


def test_a_device_that_waits_is_woken(device: httpx.Client, operator: httpx.Client) -> None:
    device_id = the_id(operator)
    # The first of all waits ends early, since the reader of the wake-ups has just begun.
    waiting(device, wait=0.1)
    came: list[Command] = []
    waits = threading.Thread(target=lambda: came.extend(waiting(device, wait=60)))
    began = time.monotonic()
    waits.start()
    operator.post(f"/v1/devices/{device_id}/reload")
    waits.join(timeout=60)
    assert [command.kind for command in came] == ["reload"]
    assert time.monotonic() - began < 55, "it came at the end of the wait, and not by the wake-up"


def test_a_wait_ends_when_nothing_comes(device: httpx.Client) -> None:
    assert waiting(device, wait=0.2) == []


def test_a_device_holds_one_wait(device: httpx.Client) -> None:
    over: list[float] = []

    def first() -> None:
        waiting(device, wait=60)
        over.append(time.monotonic())

    waits = threading.Thread(target=first)
    waits.start()
    deadline = time.monotonic() + 60
    while not over and time.monotonic() < deadline:
        waiting(device, wait=0.2)
    waits.join(timeout=60)
    assert over


def test_a_process_that_leaves_ends_the_waits(
    settings: Settings, store: Store, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = login(Role.DEVICE).headers["Authorization"]
    begun = threading.Event()
    waiting = LongPolls.waiting

    @contextmanager
    def noted(long_polls: LongPolls, device_id: str) -> Iterator[asyncio.Event]:
        with waiting(long_polls, device_id) as woken:
            begun.set()
            yield woken

    monkeypatch.setattr(LongPolls, "waiting", noted)
    with serving(settings) as url:
        device = httpx.Client(base_url=url, headers={"Authorization": key}, timeout=70)
        answers: list[int] = []

        def wait() -> None:
            answers.append(device.get("/v1/devices/me/commands", params={"wait": 60}).status_code)

        waits = threading.Thread(target=wait)
        waits.start()
        assert begun.wait(60)
    waits.join(timeout=60)
    assert answers == [200]
    device.close()


@pytest.mark.parametrize(
    "query", [{"after": "now"}, {"after": "1-1-1"}, {"wait": 61}, {"wait": -1}, {"wait": "nan"}]
)
def test_a_question_that_breaks_the_contract_is_refused(
    device: httpx.Client, query: dict[str, str | float]
) -> None:
    answer = device.get("/v1/devices/me/commands", params=query)
    assert code_of(answer) == "malformed_request"


def test_settings_are_bounded_kept_and_told_to_the_gates_devices_alone(
    device: httpx.Client, operator: httpx.Client, login: Login
) -> None:
    other = login(Role.DEVICE, OTHER_GATE)
    path = f"/v1/gates/{GATE}/settings"
    assert device.get("/v1/devices/me/settings").json()["revision"] == 0
    wanted = {"votes": 8, "cooldown_s": 5.5, "preview_allowed": False}
    held = operator.put(path, json=wanted)
    assert held.status_code == 200
    assert held.json()["revision"] == 1
    told = device.get("/v1/devices/me/settings").json()
    assert told == {**held.json(), "gate": GATE}
    assert {**told["settings"], **wanted} == told["settings"]
    assert [command.kind for command in waiting(device)] == ["settings_changed"]
    assert waiting(other) == []
    assert operator.put(path, json={}).json()["settings"]["votes"] is None
    assert login(Role.VIEWER).get(path).json()["revision"] == 2


@pytest.mark.parametrize(
    "wanted",
    [
        {"votes": 0},
        {"votes": 101},
        {"majority": 0.5},
        {"majority": 1.01},
        {"cooldown_s": -1},
        {"cooldown_s": 3601},
        {"lost_after_s": 0},
        {"max_faces": 0},
        {"votes": "many"},
    ],
)
def test_a_setting_out_of_bounds_is_refused(
    operator: httpx.Client, wanted: dict[str, object]
) -> None:
    path = f"/v1/gates/{GATE}/settings"
    answer = operator.put(path, json=wanted)
    assert code_of(answer) == "malformed_request"
    assert operator.get(path).json()["revision"] == 0


def test_settings_of_a_gate_that_is_not_there_or_not_ones_own(login: Login) -> None:
    bound = login(Role.OPERATOR, GATE)
    answer = bound.put(f"/v1/gates/{OTHER_GATE}/settings", json={})
    assert code_of(answer) == "gate_forbidden"
    assert code_of(login(Role.OPERATOR).get("/v1/gates/nowhere/settings")) == "gate_unknown"


def rolled(device: httpx.Client) -> httpx.Client:
    answer = device.post("/v1/devices/me/roll")
    assert answer.status_code == 201, answer.text
    headers = {"Authorization": f"Bearer {answer.json()['device_key']}"}
    return httpx.Client(base_url=device.base_url, headers=headers, timeout=20)


def beats(device: httpx.Client) -> str:
    answer = device.post("/v1/devices/me/heartbeat", json=HEARTBEAT)
    return "" if answer.status_code == 204 else code_of(answer)


def test_the_old_key_is_good_until_the_new_one_is_first_used(device: httpx.Client) -> None:
    with rolled(device) as renewed:
        assert beats(device) == ""
        assert beats(renewed) == ""
        assert beats(device) == "key_revoked"
        assert beats(renewed) == ""


def test_a_new_key_whose_answer_was_lost_is_taken_back(device: httpx.Client) -> None:
    with rolled(device) as lost, rolled(device) as kept:
        assert beats(lost) == "key_revoked"
        assert beats(kept) == ""
        assert beats(device) == "key_revoked"


def test_the_old_key_ends_by_itself_and_rolling_again_does_not_prolong_it(store: Store) -> None:
    from cloud.errors import KeyRevoked
    from cloud.store import mint

    made = mint("camera", Role.DEVICE, GATE, "d")
    store.keys.add(made.stored)
    _, until = store.keys.roll(made.stored, timedelta(hours=1))
    held = store.keys.get(made.stored.id)
    assert held is not None
    _, later = store.keys.roll(held, timedelta(hours=2))
    assert later == until
    held = store.keys.get(made.stored.id)
    assert held is not None
    store.keys.add(held.model_copy(update={"expires_at": now()}))
    with pytest.raises(KeyRevoked):
        store.keys.authenticate(made.text)


def test_an_expiry_that_an_admin_gave_outlives_a_roll(store: Store) -> None:
    from cloud.store import mint

    expiry = now() + timedelta(days=1)
    made = mint("camera", Role.DEVICE, GATE, "d", expires_at=expiry)
    store.keys.add(made.stored)
    first, until = store.keys.roll(made.stored, timedelta(hours=1))
    assert first.stored.expires_at == expiry
    assert until < expiry
    again, _ = store.keys.roll(made.stored, timedelta(hours=1))
    assert again.stored.expires_at == expiry
    lost = store.keys.get(first.stored.id)
    assert lost is not None
    assert lost.revoked


def test_a_roll_that_a_revocation_overtakes_makes_no_key(
    device: httpx.Client, operator: httpx.Client, store: Store
) -> None:
    device_id = the_id(operator)
    held = store.devices.get(device_id)
    assert held is not None
    key = store.keys.get(held.key_id)
    assert key is not None
    operator.delete(f"/v1/devices/{device_id}")
    with pytest.raises(DeviceUnknown):
        store.devices.roll(key, timedelta(hours=1))
    assert all(each.revoked for each in store.keys.all() if each.device_id == device_id)


def test_revoking_a_device_takes_both_of_its_keys(
    device: httpx.Client, operator: httpx.Client
) -> None:
    with rolled(device) as renewed:
        operator.delete(f"/v1/devices/{the_id(operator)}")
        assert beats(renewed) == "key_revoked"
        assert beats(device) == "key_revoked"


def test_a_device_that_was_revoked_is_asked_for_nothing(
    device: httpx.Client, operator: httpx.Client
) -> None:
    device_id = the_id(operator)
    operator.delete(f"/v1/devices/{device_id}")
    assert code_of(operator.post(f"/v1/devices/{device_id}/roll")) == "device_unknown"


def test_a_device_is_online_while_its_heartbeats_come(
    device: httpx.Client, operator: httpx.Client, store: Store
) -> None:
    assert devices(operator)[0].status == "offline"
    assert beats(device) == ""
    assert devices(operator)[0].status == "online"
    from cloud.contract import Heartbeat

    long_ago = now() - timedelta(minutes=2)
    store.devices.beat(the_id(operator), Heartbeat.model_validate(HEARTBEAT), long_ago)
    assert devices(operator)[0].status == "offline"


def test_problems_are_told_by_name_also_those_that_are_new(
    device: httpx.Client, operator: httpx.Client
) -> None:
    problems = ["disk_full", "invented_tomorrow"]
    body = {**HEARTBEAT, "problems": problems}
    assert device.post("/v1/devices/me/heartbeat", json=body).status_code == 204
    beat = devices(operator)[0].last_heartbeat
    assert beat is not None
    assert beat.problems == problems
    for wrong in (["Disk full"], ["x"] * 17, "disk_full"):
        answer = device.post("/v1/devices/me/heartbeat", json={**HEARTBEAT, "problems": wrong})
        assert code_of(answer) == "malformed_request"


def test_commands_that_wait_are_bounded(store: Store) -> None:
    for _ in range(130):
        store.commands.issue(["d"], CommandKind.RELOAD, now())
    assert len(store.commands.waiting("d", None)) == 100


def test_enrolment_codes_cannot_be_guessed_at_will(login: Login) -> None:
    camera = login(None)
    body = {"code": "4mXw9RtB4zKq", "name": "Camera"}
    answers = [camera.post("/v1/devices/enrol", json=body).status_code for _ in range(31)]
    assert answers == [403] * 30 + [429]
