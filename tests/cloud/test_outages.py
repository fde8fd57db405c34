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
    Subscriber,
    Topic,
    WebhookType,
)
from cloud.outages import look
from cloud.store import Store, now, subscriber_id
from tests.cloud.conftest import GATE

AFTER = timedelta(seconds=60)


def enrolled(store: Store) -> str:
    code = store.devices.new_code(GATE, timedelta(minutes=5), now())
    return store.devices.enrol(EnrolmentRequest(code=code.code, name="Door 1"), now()).device_id


def beat(store: Store, device: str, at: datetime, camera: CameraState = CameraState.LIVE) -> None:
    heartbeat = Heartbeat(
        sent_at=at, camera=camera, fps=1, latency_ms=1, outbox_depth=0, version="1"
    )
    store.devices.beat(device, heartbeat, at)


def subscribe(
    store: Store, channel: Channel, address: str, language: Language = Language.EN
) -> None:
    store.gates.subscribe(
        Subscriber(
            id=subscriber_id(channel, address),
            gate=GATE,
            channel=channel,
            address=address,
            created_at=now(),
            language=language,
        )
    )


def told(store: Store) -> list[Delivery]:
    return store.deliveries.page(gate=GATE, status=None, before=None, limit=50)[0]


def test_an_outage_is_told_once_and_its_end_once(store: Store) -> None:
    subscribe(store, Channel.TELEGRAM, "42")
    subscribe(store, Channel.EMAIL, "guardia@example.org", Language.ES)
    subscribe(store, Channel.WEBHOOK, "https://example.org/hook")
    device, began = enrolled(store), now()
    beat(store, device, began)
    look(store, AFTER, began + AFTER)
    assert told(store) == []

    for seconds in (61, 71, 500):
        look(store, AFTER, began + timedelta(seconds=seconds))
    texts = {each.channel: each.text for each in told(store)}
    assert len(told(store)) == 2
    assert "Door 1 at Main entrance is offline" in texts[Channel.TELEGRAM]
    assert "está sin conexión" in texts[Channel.EMAIL]
    assert store.waiting_jobs() == 2

    back = began + timedelta(seconds=600)
    beat(store, device, back)
    for _ in range(2):
        look(store, AFTER, back)
    assert len(told(store)) == 4
    assert "is back" in told(store)[0].text + told(store)[1].text
    look(store, AFTER, back + timedelta(seconds=61))
    assert len(told(store)) == 6


def test_who_never_came_who_said_goodbye_and_who_was_shut_out_is_not_missed(store: Store) -> None:
    subscribe(store, Channel.TELEGRAM, "42")
    enrolled(store)
    gone, out = enrolled(store), enrolled(store)
    at = now()
    beat(store, gone, at, CameraState.ENDED)
    beat(store, out, at)
    store.devices.revoke(out)
    look(store, AFTER, at + timedelta(hours=1))
    assert told(store) == []


def test_a_webhook_that_chose_the_topic_is_told_of_an_outage_and_of_its_end(store: Store) -> None:
    store.gates.subscribe(
        Subscriber(
            id="hook",
            gate=GATE,
            channel=Channel.WEBHOOK,
            address="https://example.org/hook",
            topics=[Topic.DEVICE],
            created_at=now(),
        )
    )
    device, began = enrolled(store), now()
    beat(store, device, began)
    look(store, AFTER, began + timedelta(seconds=61))
    back = began + timedelta(seconds=600)
    beat(store, device, back)
    for _ in range(2):
        look(store, AFTER, back)
    online, offline = (DeviceWebhook.model_validate_json(each.text) for each in told(store))
    assert (offline.type, online.type) == (WebhookType.DEVICE_OFFLINE, WebhookType.DEVICE_ONLINE)
    assert offline.data.silent_since == online.data.silent_since == began
    assert offline.data.device_id == device
    assert {each.kind for each in told(store)} == {DeliveryKind.DEVICE}
    assert store.waiting_jobs() == 2
