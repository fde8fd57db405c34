"""Devices that fall silent: subscribers are told once, and once more when a device is back."""

from datetime import datetime, timedelta

from cloud.contract import (
    CameraState,
    Channel,
    Delivery,
    DeliveryKind,
    DeviceWebhook,
    EnrolmentRequest,
    Heartbeat,
    Language,
    Topic,
    WebhookType,
)
from cloud.liveness import is_replaced
from cloud.store import DeletionRequest, Store, now
from cloud.worker.outages import detect
from tests.cloud.builders import deliveries, subscribe
from tests.cloud.conftest import GATE

AFTER = timedelta(seconds=60)
SECOND = timedelta(seconds=1)


def enrolled(store: Store) -> str:
    code = store.devices.new_code(GATE, timedelta(minutes=5), now())
    return store.devices.enrol(EnrolmentRequest(code=code.code, name="Door 1"), now()).device_id


def beat(
    store: Store,
    device: str,
    at: datetime,
    camera: CameraState = CameraState.LIVE,
    *,
    finished: bool = False,
) -> None:
    heartbeat = Heartbeat(
        sent_at=at,
        camera=camera,
        fps=1,
        latency_ms=1,
        outbox_depth=0,
        version="1",
        finished=finished,
    )
    store.devices.beat(device, heartbeat, at)


def told(store: Store) -> list[Delivery]:
    return deliveries(store, GATE)


def test_an_outage_is_told_once_and_its_end_once(store: Store) -> None:
    subscribe(store, Channel.TELEGRAM, "42")
    subscribe(store, Channel.EMAIL, "guardia@example.org", language=Language.ES)
    subscribe(store, Channel.WEBHOOK, "https://example.org/hook")
    device, began = enrolled(store), now()
    beat(store, device, began)
    detect(store, AFTER, began + AFTER)
    assert told(store) == []

    for seconds in (61, 71, 500):
        detect(store, AFTER, began + timedelta(seconds=seconds))
    texts = {each.channel: each.text for each in told(store)}
    assert len(told(store)) == 2
    assert "Door 1 at Main entrance is offline" in texts[Channel.TELEGRAM]
    assert "está sin conexión" in texts[Channel.EMAIL]
    assert store.waiting_jobs() == 2

    back = began + timedelta(seconds=600)
    beat(store, device, back)
    for _ in range(2):
        detect(store, AFTER, back)
    assert len(told(store)) == 4
    assert "is back" in told(store)[0].text + told(store)[1].text
    detect(store, AFTER, back + timedelta(seconds=61))
    assert len(told(store)) == 6


def test_a_device_that_never_came_has_finished_or_is_revoked_is_not_missed(store: Store) -> None:
    subscribe(store, Channel.TELEGRAM, "42")
    enrolled(store)
    finished, out = enrolled(store), enrolled(store)
    at = now()
    beat(store, finished, at, CameraState.ENDED, finished=True)
    beat(store, out, at)
    store.devices.revoke(out)
    detect(store, AFTER, at + timedelta(hours=1))
    assert told(store) == []


def test_a_device_that_was_stopped_is_missed_unless_it_is_back_in_time(store: Store) -> None:
    subscribe(store, Channel.TELEGRAM, "42")
    device, at = enrolled(store), now()
    beat(store, device, at, CameraState.ENDED)  # SIGTERM: a restart, or a power-off
    detect(store, AFTER, at + AFTER)
    beat(store, device, at + AFTER)
    detect(store, AFTER, at + 2 * AFTER)
    assert told(store) == []

    beat(store, device, at + 2 * AFTER, CameraState.ENDED)
    detect(store, AFTER, at + 3 * AFTER + SECOND)
    detect(store, AFTER, at + 3 * AFTER + 2 * SECOND)
    (only,) = told(store)
    assert "is offline" in only.text


def test_an_edge_older_than_the_field_finished_is_missed_when_it_ends(store: Store) -> None:
    subscribe(store, Channel.TELEGRAM, "42")
    device, at = enrolled(store), now()
    old = (
        '{"sent_at": "2026-03-02T08:15:30Z", "camera": "ended", "fps": 0, "latency_ms": 0,'
        ' "outbox_depth": 0, "version": "0.1.0"}'
    )
    store.devices.beat(device, Heartbeat.model_validate_json(old), at)
    detect(store, AFTER, at + AFTER + SECOND)
    assert len(told(store)) == 1


def test_an_announced_absence_is_not_told_of_until_its_time_is_over(store: Store) -> None:
    subscribe(store, Channel.TELEGRAM, "42")
    device, at = enrolled(store), now()
    beat(store, device, at, CameraState.ENDED)
    store.absences.announce(device, at + timedelta(hours=2))
    for minutes in (2, 60, 119):
        detect(store, AFTER, at + timedelta(minutes=minutes))
    assert told(store) == []
    for minutes in (120, 121):
        detect(store, AFTER, at + timedelta(minutes=minutes))
    assert len(told(store)) == 1
    assert store.devices.all()[0].expected_offline_until is None
    beat(store, device, at + timedelta(minutes=122))
    detect(store, AFTER, at + timedelta(minutes=122))
    assert len(told(store)) == 2


def test_an_announced_absence_is_over_once_the_device_is_back(store: Store) -> None:
    subscribe(store, Channel.TELEGRAM, "42")
    device, at = enrolled(store), now()
    beat(store, device, at)
    store.absences.announce(device, at + timedelta(hours=2))
    detect(store, AFTER, at + SECOND)  # still on: it has yet to be switched off
    detect(store, AFTER, at + timedelta(minutes=5))
    back = at + timedelta(minutes=10)
    beat(store, device, back)
    detect(store, AFTER, back)
    assert told(store) == []
    assert store.devices.all()[0].expected_offline_until is None
    detect(store, AFTER, back + AFTER + SECOND)
    assert len(told(store)) == 1


def test_an_announcement_can_be_taken_back_and_made_anew(store: Store) -> None:
    subscribe(store, Channel.TELEGRAM, "42")
    device, at = enrolled(store), now()
    beat(store, device, at)
    store.absences.announce(device, at + timedelta(minutes=5))
    detect(store, AFTER, at + timedelta(minutes=4))
    store.absences.announce(device, at + timedelta(minutes=10))
    detect(store, AFTER, at + timedelta(minutes=9))
    assert told(store) == []
    store.absences.cancel(device)
    detect(store, AFTER, at + timedelta(minutes=9))
    assert len(told(store)) == 1


def test_a_device_that_was_enrolled_anew_is_not_missed_under_its_old_id(store: Store) -> None:
    subscribe(store, Channel.TELEGRAM, "42")
    old = enrolled(store)
    beat(store, old, now(), CameraState.ENDED)
    new, at = enrolled(store), now()
    assert not is_replaced(store.devices.all()[0], store.devices.all())
    beat(store, new, at + timedelta(hours=1))
    detect(store, AFTER, at + timedelta(hours=1))
    assert told(store) == []
    detect(store, AFTER, at + timedelta(hours=2))
    assert len(told(store)) == 1


def test_a_second_camera_of_the_same_name_does_not_hide_the_loss_of_the_first(store: Store) -> None:
    subscribe(store, Channel.TELEGRAM, "42")
    first, second = enrolled(store), enrolled(store)
    at = now() + SECOND  # times are kept in milliseconds: both were enrolled before
    beat(store, first, at)
    beat(store, second, at + timedelta(hours=1))
    detect(store, AFTER, at + timedelta(hours=1))
    assert len(told(store)) == 1


def test_a_device_of_a_deleted_gate_is_not_missed(store: Store) -> None:
    subscribe(store, Channel.TELEGRAM, "42")
    device, at = enrolled(store), now()
    beat(store, device, at)
    store.deletion.gate(GATE, DeletionRequest("operator"), at, force=True)
    detect(store, AFTER, at + timedelta(hours=1))
    assert told(store) == []


def test_a_webhook_that_chose_the_topic_is_told_of_an_outage_and_of_its_end(store: Store) -> None:
    subscribe(store, Channel.WEBHOOK, "https://example.org/hook", topics=[Topic.DEVICE])
    device, began = enrolled(store), now()
    beat(store, device, began)
    detect(store, AFTER, began + timedelta(seconds=61))
    back = began + timedelta(seconds=600)
    beat(store, device, back)
    for _ in range(2):
        detect(store, AFTER, back)
    online, offline = (DeviceWebhook.model_validate_json(each.text) for each in told(store))
    assert (offline.type, online.type) == (WebhookType.DEVICE_OFFLINE, WebhookType.DEVICE_ONLINE)
    assert offline.data.silent_since == online.data.silent_since == began
    assert offline.data.device_id == device
    assert {each.kind for each in told(store)} == {DeliveryKind.DEVICE}
    assert store.waiting_jobs() == 2
