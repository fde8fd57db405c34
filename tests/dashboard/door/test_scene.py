"""The scene: what a visitor sees for each state that the cloud sends."""

from datetime import timedelta
from typing import Any

import pytest

from cloud.contract import (
    EventRecord,
    Gate,
    GateCamera,
    GateChange,
    Label,
    PassStatus,
    ScreenState,
)
from dashboard.door.scene import View, pass_to_show, scene_of
from tests.dashboard.cloud_double import CloudDouble

SHOWN = timedelta(seconds=30)


@pytest.fixture
def cloud() -> CloudDouble:
    return CloudDouble()


def state(cloud: CloudDouble, event: EventRecord | None = None, **more: Any) -> ScreenState:
    newest = cloud.events[0] if cloud.events else event
    return ScreenState(now=cloud.now(), gate=cloud.gates[0], event=newest, **more)


def view(cloud: CloudDouble, later: float = 0.0, **more: Any) -> View:
    held = state(cloud, **more)
    return scene_of(held, held.now + timedelta(seconds=later), SHOWN, b"code").view


def test_a_pass_is_shown_with_its_code_and_the_seconds_that_are_left(cloud: CloudDouble) -> None:
    event = cloud.grant(lifetime=timedelta(minutes=5))
    held = state(cloud)
    assert event.pass_record is not None
    assert pass_to_show(held, held.now, SHOWN) == event.pass_record.id
    scene = scene_of(held, held.now + timedelta(seconds=10), SHOWN, b"code")
    assert (scene.view, scene.code) == (View.GRANTED, b"code")
    assert scene.left_s == pytest.approx(290, abs=0.5)
    assert view(cloud, later=301) is View.EXPIRED


def test_a_pass_without_its_code_sends_the_visitor_to_the_staff(cloud: CloudDouble) -> None:
    cloud.grant()
    held = state(cloud)
    assert scene_of(held, held.now, SHOWN, None).view is View.OUT_OF_ORDER


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        (PassStatus.REDEEMED, View.WELCOME),
        (PassStatus.REVOKED, View.REVOKED),
        (PassStatus.EXPIRED, View.EXPIRED),
    ],
)
def test_a_pass_that_is_over_shows_no_code(
    cloud: CloudDouble, status: PassStatus, wanted: View
) -> None:
    cloud.end_pass(cloud.grant(), status)
    held = state(cloud)
    assert pass_to_show(held, held.now, SHOWN) is None
    scene = scene_of(held, held.now, SHOWN, b"code")
    assert (scene.view, scene.code) == (wanted, None)


def test_a_refusal_names_its_reason_for_a_while(cloud: CloudDouble) -> None:
    cloud.refuse(label=Label.INCORRECT_MASK)
    held = state(cloud)
    scene = scene_of(held, held.now, SHOWN, None)
    assert (scene.view, scene.reason) == (View.REFUSED, "mask_worn_wrongly")
    assert scene.left_s == pytest.approx(30, abs=0.5)
    assert view(cloud, later=31) is View.WAITING


def test_a_verdict_about_somebody_who_has_left_is_not_shown(cloud: CloudDouble) -> None:
    cloud.grant(late=timedelta(minutes=10))
    assert view(cloud) is View.WAITING


@pytest.mark.parametrize("camera", [each for each in GateCamera if each is not GateCamera.LIVE])
def test_nobody_is_asked_to_look_at_a_camera_that_does_not_see(
    cloud: CloudDouble, camera: GateCamera
) -> None:
    assert view(cloud, camera=camera) is View.NO_CAMERA
    cloud.grant()
    assert view(cloud, camera=camera) is View.GRANTED


def test_a_closed_gate_says_why_and_for_how_long_and_shows_no_code(cloud: CloudDouble) -> None:
    cloud.grant()
    closed: Gate | None = cloud.close_gate(GateChange(closed=True, reason="fire drill"))
    assert closed is not None
    held = state(cloud)
    assert pass_to_show(held, held.now, SHOWN) is None
    scene = scene_of(held, held.now + timedelta(minutes=2), SHOWN, b"code")
    assert (scene.view, scene.reason, scene.code) == (View.CLOSED, "fire drill", None)
    assert scene.since_s == pytest.approx(120, abs=0.5)
