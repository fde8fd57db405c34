"""The cloud goes away and returns: the edge goes on deciding, and nothing is lost."""

import signal
from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic, sleep

import httpx
import psutil
import pytest
from uuid_utils.compat import uuid7

from cloud.client import Client, Unavailable
from cloud.contract import Access, Decision, Event, EventRecord, Label, ProblemCode
from demo.clip import BUNDLED
from demo.deployment import Deployment
from demo.process import ProcessGroup
from edge.delivery.outbox import Outbox

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def _until(holds: Callable[[], bool], what: str, timeout_s: float = 90) -> None:
    give_up = monotonic() + timeout_s
    while not holds():
        assert monotonic() < give_up, f"{what} did not happen within {timeout_s:.0f} s"
        sleep(0.1)


def _kept(deployment: Deployment) -> list[EventRecord]:
    with Client(deployment.api_url, deployment.keys["admin"], timeout_s=30) as api:
        return list(api.iter_events())


def _waiting(deployment: Deployment) -> int:
    outbox = Outbox(deployment.state / "edge" / "outbox.db")
    try:
        return outbox.depth()
    finally:
        outbox.close()


def test_events_of_an_absent_cloud_arrive_in_order_with_their_own_times(
    deployment: Deployment,
) -> None:
    with deployment.running("redis", "api", "worker") as cloud:
        deployment.wait_for(f"{deployment.api_url}/readyz", cloud, "the cloud")
        deployment.prepare()

    # Nobody answers now. The clip has an end, and the edge waits a moment for the cloud after it.
    play = {"EDGE_SOURCE": str(BUNDLED), "DEMO_EDGE_OPTIONS": "", "EDGE_DRAIN_TIMEOUT_S": "1"}
    with deployment.running("edge", **play) as edge:
        assert edge.wait(120) != 0, "undelivered events must show in the exit code"
    decided = _waiting(deployment)
    assert decided >= 2
    returned_at = datetime.now(UTC)

    with deployment.running("redis", "api", "worker") as cloud:
        deployment.wait_for(f"{deployment.api_url}/readyz", cloud, "the cloud")
        with deployment.running("edge", EDGE_SOURCE=str(BUNDLED), DEMO_EDGE_OPTIONS="--loop"):
            _until(lambda: len(_kept(deployment)) >= decided, "the delivery of what had waited")
        oldest_first = list(reversed(_kept(deployment)))[:decided]
    moments = [event.occurred_at for event in oldest_first]
    assert moments == sorted(moments)
    assert all(moment < returned_at for moment in moments)
    assert all(event.accepted_at > returned_at for event in oldest_first)
    assert oldest_first[0].label is Label.WITHOUT_MASK


def _redis_of(redis: ProcessGroup) -> psutil.Process:
    return next(
        child
        for child in psutil.Process(redis.pid).children(recursive=True)
        if "redis-server" in child.name()
    )


def test_a_killed_redis_costs_no_acknowledged_event(deployment: Deployment) -> None:

    def post() -> Decision:
        now = datetime.now(UTC)
        event = Event(
            id=uuid7(),
            label=Label.WITH_MASK,
            confidence=1,
            votes=5,
            first_seen_at=now,
            occurred_at=now,
        )
        with Client(deployment.api_url, deployment.device_key(), timeout_s=30) as device:
            return device.post_event(event)

    with deployment.running("api", "worker") as cloud:
        with deployment.running("redis") as redis:
            deployment.wait_for(f"{deployment.api_url}/readyz", cloud, "the cloud")
            deployment.prepare()
            acknowledged = [post() for _ in range(20)]
            _redis_of(redis).send_signal(signal.SIGKILL)
            redis.wait(30)

        with pytest.raises(Unavailable) as away:
            post()
        assert (away.value.status, away.value.code) == (503, ProblemCode.STORE_UNAVAILABLE)
        assert away.value.retry_after_s is not None
        assert away.value.retry_after_s >= 1
        assert httpx.get(f"{deployment.api_url}/healthz", timeout=30).status_code == 200
        assert httpx.get(f"{deployment.api_url}/readyz", timeout=30).status_code == 503

        with deployment.running("redis"):
            deployment.wait_for(f"{deployment.api_url}/readyz", cloud, "the cloud")
            kept = {event.id for event in _kept(deployment)}
            assert kept == {decision.event_id for decision in acknowledged}
            assert post().access is Access.GRANTED
