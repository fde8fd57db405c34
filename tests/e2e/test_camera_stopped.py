"""Subscribers learn of a camera that was stopped in order, as of one that lost its network."""

from datetime import timedelta
from time import monotonic, sleep

import pytest
from pydantic import SecretStr

from cloud.client import Client
from cloud.contract import CameraState, DeliveryKind, Device
from cloud.settings import Settings
from cloud.store import Store
from cloud.worker.outages import detect
from demo.clip import BUNDLED
from demo.deployment import Deployment

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

AFTER = timedelta(seconds=60)


def _device(deployment: Deployment) -> Device:
    with Client(deployment.api_url, deployment.keys["admin"], timeout_s=30) as api:
        (only,) = api.iter_devices()
    assert isinstance(only, Device)
    return only


def _wait_for(deployment: Deployment, state: CameraState) -> None:
    give_up = monotonic() + 90
    while (last := _device(deployment).last_heartbeat) is None or last.camera is not state:
        assert monotonic() < give_up, f"no heartbeat said {state} within 90 s"
        sleep(0.1)


def _told_of_outages(deployment: Deployment) -> int:
    """Check as a worker does a minute after the last heartbeat; return how many were told."""
    settings = Settings(redis_url=SecretStr(f"redis://127.0.0.1:{deployment.redis_port}/0"))
    store = Store.open(settings)
    try:
        seen_at = _device(deployment).last_seen_at
        assert seen_at is not None
        detect(store, AFTER, seen_at + AFTER)
        early = store.deliveries.page(gate=None, status=None, before=None, limit=50)[0]
        assert not [each for each in early if each.kind is DeliveryKind.DEVICE]
        detect(store, AFTER, seen_at + AFTER + timedelta(seconds=1))
        told = store.deliveries.page(gate=None, status=None, before=None, limit=50)[0]
        return len([each for each in told if each.kind is DeliveryKind.DEVICE])
    finally:
        store.close()


def test_a_camera_that_gets_sigterm_is_missed_and_a_clip_that_ends_is_not(
    deployment: Deployment,
) -> None:
    with deployment.running("redis", "api") as cloud:
        deployment.wait_for(f"{deployment.api_url}/readyz", cloud, "the cloud")
        deployment.prepare()
        source = {"EDGE_SOURCE": str(BUNDLED), "EDGE_HEARTBEAT_S": "0.5"}

        with deployment.running(
            "edge", DEMO_EDGE_OPTIONS="--as-fast-as-possible", **source
        ) as edge:
            assert edge.wait(120) == 0
        last = _device(deployment).last_heartbeat
        assert last is not None
        assert (last.camera, last.finished) == (CameraState.ENDED, True)
        assert _told_of_outages(deployment) == 0

        with deployment.running("edge", DEMO_EDGE_OPTIONS="--loop", **source):
            _wait_for(deployment, CameraState.LIVE)
        last = _device(deployment).last_heartbeat
        assert last is not None
        assert (last.camera, last.finished) == (CameraState.ENDED, False)
        assert _told_of_outages(deployment) == 2
