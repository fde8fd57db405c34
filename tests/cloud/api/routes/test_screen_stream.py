"""What the screens at a gate show, heard over a real socket."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from cloud.api.routes.screen_stream import camera_of
from cloud.contract import (
    CameraReport,
    CameraState,
    Device,
    Event,
    GateCamera,
    Heartbeat,
    Label,
    PassStatus,
    Role,
    ScreenState,
)
from cloud.store import Store, now
from tests.cloud.api.routes.test_events import code_of, post
from tests.cloud.api.routes.test_stream import Ear
from tests.cloud.conftest import GATE, OTHER_GATE, Login

Make = Callable[..., Event]
MOMENT = datetime(2026, 3, 2, 8, 15, tzinfo=UTC)
STREAM = f"/v1/gates/{GATE}/screen/stream"


@contextmanager
def watching(client: httpx.Client) -> Iterator[Ear]:
    with client.stream("GET", STREAM, timeout=60) as answer:
        assert answer.status_code == 200, answer.read()
        yield Ear(answer)


def next_state(ear: Ear) -> ScreenState:
    while True:
        kind, _, data = ear.hear()
        if kind == "state":
            return ScreenState.model_validate(data)
        assert kind == "tick"


def test_the_state_comes_first_and_again_after_each_change(
    device: httpx.Client, operator: httpx.Client, login: Login, make_event: Make, store: Store
) -> None:
    with watching(login(Role.KIOSK, GATE)) as ear:
        first = next_state(ear)
        assert first.event is None
        assert first.gate.id == GATE
        event = make_event()
        post(device, event)
        granted = next_state(ear)
        assert granted.event is not None
        assert granted.event.id == event.id
        assert granted.event.pass_record is not None
        operator.delete(f"/v1/passes/{granted.event.pass_record.id}")
        revoked = next_state(ear).event
        assert revoked is not None
        assert revoked.pass_record is not None
        assert revoked.pass_record.status is PassStatus.REVOKED
        operator.patch(f"/v1/gates/{GATE}", json={"closed": True, "reason": "fire drill"})
        closed = next_state(ear).gate
        assert (closed.closed, closed.closed_reason) == (True, "fire drill")
        post(device, make_event(Label.WITHOUT_MASK))
        pending = store.screens.ask(GATE, now())
        assert pending.code is not None
        store.screens.confirm(GATE, pending.code, "Tablet", now())
        while pending.id not in (state := next_state(ear)).screens:
            pass
        store.keys.revoke(pending.id)
        while pending.id in (state := next_state(ear)).screens:
            pass
        assert state.visitor_url is None


def test_a_quiet_gate_ticks(login: Login) -> None:
    with watching(login(Role.KIOSK, GATE)) as ear:
        next_state(ear)
        assert ear.hear()[0] == "tick"


def test_the_stream_of_another_gate_and_of_none_is_refused(
    login: Login, operator: httpx.Client
) -> None:
    assert code_of(login(Role.KIOSK, OTHER_GATE).get(STREAM)) == "gate_forbidden"
    assert code_of(operator.get("/v1/gates/cellar/screen/stream")) == "gate_unknown"


def a_device(camera: CameraState, *problems: str, silent: bool = False) -> Device:
    beat = Heartbeat(
        sent_at=MOMENT,
        camera=camera,
        fps=15.0,
        latency_ms=40.0,
        outbox_depth=0,
        models={},
        version="1",
        problems=list(problems),
    )
    seen_at = MOMENT - timedelta(hours=1 if silent else 0)
    return Device(
        id="a",
        name="camera",
        gate=GATE,
        enrolled_at=MOMENT,
        last_heartbeat=beat,
        last_seen_at=seen_at,
    )


@pytest.mark.parametrize(
    ("devices", "camera"),
    [
        ([], GateCamera.MISSING),
        ([a_device(CameraState.LIVE, silent=True)], GateCamera.SILENT),
        ([a_device(CameraState.LIVE)], GateCamera.LIVE),
        ([a_device(CameraState.LIVE, "disk_full")], GateCamera.LIVE),
        ([a_device(CameraState.LIVE, "picture_black")], GateCamera.FAULTY),
        ([a_device(CameraState.LIVE, "picture_blurred")], GateCamera.LIVE),
        ([a_device(CameraState.LIVE, "picture_blurred", "picture_frozen")], GateCamera.FAULTY),
        ([a_device(CameraState.RECONNECTING, "camera_lost")], GateCamera.FAULTY),
        ([a_device(CameraState.ENDED)], GateCamera.OFF),
        ([a_device(CameraState.ENDED), a_device(CameraState.LIVE)], GateCamera.LIVE),
    ],
)
def test_a_gates_camera_is_its_best_devices(devices: list[Device], camera: GateCamera) -> None:
    assert camera_of(devices, MOMENT - timedelta(minutes=1)) is camera


@pytest.mark.parametrize(
    ("south", "camera"),
    [
        ((CameraState.LIVE, []), GateCamera.LIVE),
        ((CameraState.LIVE, ["picture_covered"]), GateCamera.FAULTY),
        ((CameraState.ENDED, []), GateCamera.FAULTY),
    ],
)
def test_one_of_several_cameras_is_enough(
    south: tuple[CameraState, list[str]], camera: GateCamera
) -> None:
    device = a_device(CameraState.RECONNECTING, "camera_lost", *south[1])
    assert device.last_heartbeat is not None
    lost = (CameraState.RECONNECTING, ["camera_lost"])
    cameras = {
        name: CameraReport(state=state, fps=15.0, latency_ms=40.0, problems=problems)
        for name, (state, problems) in {"north": lost, "south": south}.items()
    }
    beat = device.last_heartbeat.model_copy(update={"cameras": cameras})
    device = device.model_copy(update={"last_heartbeat": beat})
    assert camera_of([device], MOMENT - timedelta(minutes=1)) is camera
