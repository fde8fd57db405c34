"""The remarks on a gate's devices."""

from datetime import timedelta

import pytest

from cloud.contract import CameraReport, CameraState, ModelUpdate
from dashboard.wording.clock import LocalClock
from dashboard.wording.devices import SILENT, remarks_on_devices
from tests.dashboard.cloud_double import CloudDouble


def remarks(double: CloudDouble) -> list[tuple[str, str]]:
    clock = LocalClock.of("UTC", double.now())
    return remarks_on_devices(double.devices, double.gates[0], clock)


def remark(double: CloudDouble) -> tuple[str, str]:
    (only,) = remarks(double)
    return only


@pytest.fixture
def double() -> CloudDouble:
    return CloudDouble()


@pytest.mark.parametrize(
    ("camera", "kind", "words"),
    [
        (CameraState.LIVE, "plain", "camera live, 24 frames/s"),
        (CameraState.RECONNECTING, "bad", "gets no picture"),
        (CameraState.ENDED, "choice", "was stopped"),
    ],
)
def test_the_camera_as_the_device_says(
    double: CloudDouble, camera: CameraState, kind: str, words: str
) -> None:
    double.enrol(camera=camera, outbox_depth=3)
    said_kind, said = remark(double)
    assert said_kind == kind
    assert words in said
    assert "3 of its events are on their way" in said


def test_a_device_that_fell_silent(double: CloudDouble) -> None:
    double.enrol(ago=SILENT + timedelta(seconds=5))
    kind, words = remark(double)
    assert kind == "bad"
    assert "last reported at" in words


def test_a_film_that_has_ended_is_told_from_a_device_that_was_stopped(double: CloudDouble) -> None:
    double.enrol(camera=CameraState.ENDED)
    assert "The program was stopped" in remark(double)[1]
    double.enrol(camera=CameraState.ENDED, finished=True)
    assert "The film has ended" in remark(double)[1]


def test_a_device_that_is_off_as_announced(double: CloudDouble) -> None:
    double.enrol(ago=SILENT + timedelta(seconds=5))
    until = double.now() + timedelta(hours=1)
    double.devices = [double.devices[0].model_copy(update={"expected_offline_until": until})]
    kind, words = remark(double)
    assert kind == "choice"
    assert "as planned" in words
    until = double.now() - timedelta(seconds=1)
    double.devices = [double.devices[0].model_copy(update={"expected_offline_until": until})]
    assert remark(double)[0] == "bad"


def test_a_device_that_never_reported(double: CloudDouble) -> None:
    double.devices = [double.devices[0].model_copy(update={"last_heartbeat": None})]
    assert "has not reported yet" in remark(double)[1]


@pytest.mark.parametrize("change", [{"gate": "elsewhere"}, {"revoked": True}])
def test_no_device_at_this_gate(double: CloudDouble, change: dict[str, object]) -> None:
    double.devices = [double.devices[0].model_copy(update=change)]
    kind, words = remark(double)
    assert kind == "bad"
    assert "python -m cloud enrolment-codes create main" in words


def test_problems_are_said_worst_first_and_before_the_state(double: CloudDouble) -> None:
    double.enrol(problems=["hot", "picture_covered", "invented_tomorrow", "model_differs"])
    kinds, words = zip(*remarks(double), strict=True)
    assert kinds == ("bad", "bad", "choice", "choice", "plain")
    for said, part in zip(
        words,
        ["is covered", "invented_tomorrow", "too hot", "model of its own", "live"],
        strict=True,
    ):
        assert part in said


def test_a_camera_that_is_lost_has_one_remark(double: CloudDouble) -> None:
    double.enrol(camera=CameraState.RECONNECTING, problems=["camera_lost"])
    assert "gets no picture" in remark(double)[1]


def test_several_cameras_are_named(double: CloudDouble) -> None:
    double.enrol(
        camera=CameraState.RECONNECTING,
        problems=["disk_full", "camera_lost", "picture_blurred"],
        cameras={
            "north": camera(CameraState.RECONNECTING, "camera_lost"),
            "south": camera(CameraState.LIVE, "picture_blurred"),
            "west": camera(CameraState.LIVE),
        },
    )
    assert [(kind, words.partition(".")[0]) for kind, words in remarks(double)] == [
        (
            "bad",
            "Door Pi, camera north gets no picture from its camera and keeps trying: check the "
            "camera and its cable",
        ),
        (
            "bad",
            "Door Pi: The disk is full: new events wait in memory, and a restart loses them",
        ),
        ("choice", "Door Pi, camera south: The picture is blurred, so verdicts are less sure"),
        ("plain", "Door Pi: cameras south, west live, 24 frames/s"),
    ]


def camera(state: CameraState, *problems: str) -> CameraReport:
    return CameraReport(state=state, fps=12.0, latency_ms=31.0, problems=list(problems))


def test_a_model_update_that_failed_has_its_reason(double: CloudDouble) -> None:
    update = ModelUpdate(
        role="classifier",
        sha256="0" * 64,
        state="failed",
        problem="trial_timeout",
        detail="no answer within 60 s",
        at=double.now(),
    )
    double.enrol(problems=["model_update_failed"], model_update=update)
    kind, words = remarks(double)[0]
    assert kind == "choice"
    assert "Reason: trial_timeout: no answer within 60 s." in words
