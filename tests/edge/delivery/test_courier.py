import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from cloud.contract import CameraState, Decision, Heartbeat, Label, ProblemCode
from edge.delivery import database
from edge.delivery.client import Client
from edge.delivery.courier import Courier
from edge.delivery.key_renewal import KeyRenewal
from edge.delivery.outbox import Outbox
from edge.errors import EventRejectedError
from edge.values import ConnectionState
from tests.edge.cloud_double import KEY, CloudDouble, problem, serving
from tests.edge.delivery.hung_cloud import hanging
from tests.edge.delivery.test_outbox import event


class DeliveryObserverFake:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.decisions: list[Decision] = []
        self.rejections: list[EventRejectedError] = []
        self.states: list[ConnectionState] = []
        self.failures: list[Exception] = []
        self._changed = threading.Condition()

    def _note(self, add: Callable[[], None]) -> None:
        with self._changed:
            add()
            self._changed.notify_all()

    def event_acknowledged(self, decision: Decision) -> None:
        self._note(lambda: self.decisions.append(decision))

    def event_rejected(self, error: EventRejectedError) -> None:
        self._note(lambda: self.rejections.append(error))

    def connection_changed(self, state: ConnectionState, problem: str) -> None:
        self._note(lambda: self.states.append(state))

    def failed(self, error: Exception) -> None:
        self._note(lambda: self.failures.append(error))

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, 60), (self.states, self.decisions)


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Outbox]:
    with Outbox(tmp_path / "outbox.db") as box:
        yield box


@contextmanager
def delivering(
    box: Outbox,
    url: str,
    *,
    key: str = KEY,
    heartbeat_s: float = 60,
    camera: Callable[[], CameraState] = lambda: CameraState.LIVE,
    timeout_s: float = 30,
    new_key: Callable[[], str | None] | None = None,
) -> Iterator[tuple[Courier, DeliveryObserverFake]]:
    told = DeliveryObserverFake()

    def make_heartbeat() -> Heartbeat:
        return Heartbeat(
            sent_at=datetime.now(UTC),
            camera=camera(),
            fps=5,
            latency_ms=10,
            outbox_depth=box.depth(),
            version="0",
        )

    with Client(url, key=SecretStr(key), timeout_s=timeout_s) as client:
        courier = Courier(
            box,
            client,
            told,
            make_heartbeat,
            heartbeat_s=heartbeat_s,
            state=camera,
            renewal=KeyRenewal(client, new_key, every_s=0.01) if new_key else None,
            pause_s=(0.005, 0.02),
        )
        courier.start()
        try:
            yield courier, told
        finally:
            courier.stop()


def test_events_arrive_in_order_and_are_forgotten(box: Outbox, cloud: CloudDouble) -> None:
    events = [event() for _ in range(5)]
    for each in events:
        box.put(each)
    with delivering(box, cloud.url) as (courier, told):
        assert courier.drain(60) == 0
    assert cloud.events == events
    assert [d.event_id for d in told.decisions] == [each.id for each in events]


def test_an_event_is_followed_by_its_id_in_the_log(box: Outbox, cloud: CloudDouble) -> None:
    granted = event()
    box.put(granted)
    with capture_logs() as lines, delivering(box, cloud.url) as (courier, _):
        assert courier.drain(60) == 0
    (line,) = (line for line in lines if line["event"] == "event_acknowledged")
    assert line["event_id"] == str(granted.id)
    assert line["access"] in {"granted", "refused"}
    assert "token" not in line


def test_an_event_that_comes_later_wakes_it(box: Outbox, cloud: CloudDouble) -> None:
    with delivering(box, cloud.url) as (courier, _):
        for count in (1, 2, 3):
            box.put(event())
            courier.wake()
            cloud.wait_for(count)
        assert courier.drain(60) == 0


def test_with_the_cloud_away_events_wait_and_arrive_with_their_own_times(box: Outbox) -> None:
    events = [event() for _ in range(3)]
    box.put(events[0])
    with serving(CloudDouble()) as gone:
        pass
    port = int(gone.url.rpartition(":")[2])
    with delivering(box, gone.url) as (courier, told):
        told.wait_for(lambda: told.states == [ConnectionState.OFFLINE])
        for each in events[1:]:
            box.put(each)
            courier.wake()
        assert courier.drain(0.05) == 3
        with serving(CloudDouble(), port) as returned:
            assert courier.drain(60) == 0
            assert returned.events == events
        told.wait_for(lambda: told.states[:2] == [ConnectionState.OFFLINE, ConnectionState.ONLINE])


def test_an_error_of_the_cloud_is_tried_again_and_nothing_is_lost(
    box: Outbox, cloud: CloudDouble
) -> None:
    cloud.fail_events = problem(503, ProblemCode.STORE_UNAVAILABLE)
    put = event()
    box.put(put)
    with delivering(box, cloud.url) as (courier, told):
        cloud.wait_for_attempts(3)
        assert box.depth() == 1
        cloud.fail_events = None
        assert courier.drain(60) == 0
    assert cloud.events == [put]
    assert len(told.decisions) == 1


def test_the_pause_that_the_cloud_asks_for_is_kept(box: Outbox, cloud: CloudDouble) -> None:
    cloud.fail_events = problem(503, ProblemCode.STORE_UNAVAILABLE)
    cloud.headers["Retry-After"] = "3600"
    box.put(event())
    with delivering(box, cloud.url) as (courier, _):
        cloud.wait_for_attempts(1)
        assert courier.drain(0.3) == 1
    assert cloud.attempts == 1


def test_what_is_rejected_blocks_nobody_and_is_kept(box: Outbox, cloud: CloudDouble) -> None:
    cloud.reject = {Label.WITHOUT_MASK}
    bad, good = event(Label.WITHOUT_MASK), event(Label.WITH_MASK)
    box.put(bad)
    box.put(good)
    with delivering(box, cloud.url) as (courier, told):
        assert courier.drain(60) == 0
    assert cloud.events == [good]
    assert [error.code for error in told.rejections] == ["malformed_request"]
    (kept,) = database.inspect(box.path).rejected
    assert kept.id == str(bad.id)


def test_a_refused_key_stops_delivery_and_not_the_queue(box: Outbox, cloud: CloudDouble) -> None:
    box.put(event())
    with delivering(box, cloud.url, key="revoked") as (courier, told):
        told.wait_for(lambda: told.states == [ConnectionState.KEY_REFUSED])
        assert courier.connection is ConnectionState.KEY_REFUSED
        box.put(event())
        courier.wake()
        assert courier.drain(60) == 2
    assert cloud.events == []
    assert told.states == [ConnectionState.KEY_REFUSED]


def test_heartbeats_say_how_the_device_is(box: Outbox, cloud: CloudDouble) -> None:
    with delivering(box, cloud.url, heartbeat_s=0.01), cloud.changed:
        assert cloud.changed.wait_for(lambda: len(cloud.heartbeats) >= 3, 60)
    assert cloud.heartbeats[0].camera is CameraState.LIVE


def test_a_change_of_the_camera_is_told_at_once(box: Outbox, cloud: CloudDouble) -> None:
    state = CameraState.RECONNECTING
    with delivering(box, cloud.url, heartbeat_s=3600, camera=lambda: state), cloud.changed:
        assert cloud.changed.wait_for(lambda: len(cloud.heartbeats) == 1, 60)
        state = CameraState.LIVE
        assert cloud.changed.wait_for(lambda: len(cloud.heartbeats) == 2, 60)
    told = [heartbeat.camera for heartbeat in cloud.heartbeats]
    assert told[:2] == [CameraState.RECONNECTING, CameraState.LIVE]


def test_a_last_heartbeat_is_sent_at_the_end(box: Outbox, cloud: CloudDouble) -> None:
    with delivering(box, cloud.url), cloud.changed:
        assert cloud.changed.wait_for(lambda: len(cloud.heartbeats) == 1, 60)
    assert len(cloud.heartbeats) == 2


def test_heartbeats_alone_find_the_cloud_again(box: Outbox) -> None:
    with serving(CloudDouble()) as gone:
        pass
    port = int(gone.url.rpartition(":")[2])
    with delivering(box, gone.url, heartbeat_s=0.01) as (_, told):
        told.wait_for(lambda: told.states == [ConnectionState.OFFLINE])
        with serving(CloudDouble(), port):
            told.wait_for(lambda: told.states == [ConnectionState.OFFLINE, ConnectionState.ONLINE])
    assert box.depth() == 0


def test_stopping_waits_for_no_pause(box: Outbox, cloud: CloudDouble) -> None:
    cloud.fail_events = problem(503, ProblemCode.STORE_UNAVAILABLE)
    cloud.headers["Retry-After"] = "3600"
    box.put(event())
    with delivering(box, cloud.url):
        cloud.wait_for_attempts(1)
    assert box.depth() == 1


def test_an_error_that_nobody_foresaw_ends_no_thread(
    box: Outbox, cloud: CloudDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = [ZeroDivisionError("first"), ZeroDivisionError("second")]
    post = Client.post_event

    def post_event(client: Client, event_id: UUID, body: str) -> Decision:
        if broken:
            raise broken.pop(0)
        return post(client, event_id, body)

    monkeypatch.setattr(Client, "post_event", post_event)
    put = event()
    box.put(put)
    with delivering(box, cloud.url) as (courier, told):
        assert courier.drain(60) == 0
    assert cloud.events == [put]
    assert [str(each) for each in told.failures] == ["first", "second"]


def test_a_row_that_is_no_event_stops_no_delivery(tmp_path: Path, cloud: CloudDouble) -> None:
    path = tmp_path / "other.db"
    Outbox(path).close()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("INSERT INTO waiting (id, body) VALUES ('x', 'y')")
    put = event()
    with Outbox(path) as box:
        box.put(put)
        with delivering(box, cloud.url) as (courier, told):
            assert courier.drain(60) == 0
    assert cloud.events == [put]
    assert told.failures == []


def test_stopping_does_not_wait_for_a_cloud_that_hangs(box: Outbox) -> None:
    box.put(event())
    with hanging() as hung:
        with delivering(box, hung.url, timeout_s=3600) as (_, told):
            assert hung.asked.wait(60)
        assert told.decisions == []
        assert box.depth() == 1


def test_a_new_key_is_taken_up_and_nothing_is_lost(box: Outbox, cloud: CloudDouble) -> None:
    enrolled_again = threading.Event()
    events = [event() for _ in range(3)]
    box.put(events[0])
    with delivering(
        box, cloud.url, heartbeat_s=0.05, new_key=lambda: "new" if enrolled_again.is_set() else KEY
    ) as (courier, told):
        cloud.wait_for(1)
        cloud.key = "new"  # the old one is revoked
        for each in events[1:]:
            box.put(each)
        courier.wake()
        told.wait_for(lambda: ConnectionState.KEY_REFUSED in told.states)
        enrolled_again.set()
        cloud.wait_for(3)
    assert cloud.events == events
    assert told.states.count(ConnectionState.KEY_REFUSED) == 1
    assert told.states[-1] is ConnectionState.ONLINE


def test_the_events_of_a_long_outage_arrive_in_order(box: Outbox, cloud: CloudDouble) -> None:
    events = [event() for _ in range(300)]
    for each in events:
        box.put(each)
    with delivering(box, cloud.url) as (courier, _):
        assert courier.drain(240) == 0
    assert cloud.events == events
