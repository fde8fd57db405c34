import threading

import pytest
from structlog.testing import capture_logs

from cloud.contract import CameraState
from edge.ending import HUNG
from edge.health import Health
from edge.stages import Stage, Stages
from edge.watchdog import Watchdog
from tests.edge.clocks import Clock
from tests.edge.test_health import metric


class CameraFake:
    """A camera that is silent for as long as the test says."""

    def __init__(self) -> None:
        self.state = CameraState.LIVE
        self.silent_s = 0.0
        self.reading_s = 0.0


class Watched:
    """A watchdog with all that it watches: stalled after 5 s, ended after 20 s."""

    def __init__(self, cameras: dict[str, CameraFake] | None = None) -> None:
        self.clock = Clock()
        self.camera = CameraFake()
        self.stages = Stages(self.clock)
        self.health = Health()
        self.ended: list[int] = []
        self.end_called = threading.Event()
        self.dog = Watchdog(
            cameras or {"": self.camera},
            self.stages,
            self.health,
            stall_after_s=5,
            exit_after_s=20,
            end=self._end,
        )

    def _end(self, code: int) -> None:
        self.ended.append(code)
        self.end_called.set()

    def errors(self, name: str) -> float:
        return metric(self.health, f'maskgate_edge_errors_total{{error="{name}"}}')


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_a_camera_without_new_pictures_is_not_live(watched: Watched) -> None:
    states = [watched.dog.camera_state]
    watched.camera.silent_s = 5.1
    assert watched.dog.is_stalled("")
    states.append(watched.dog.camera_state)
    watched.camera.state = CameraState.ENDED
    states.append(watched.dog.camera_state)
    assert states == [CameraState.LIVE, CameraState.RECONNECTING, CameraState.ENDED]


def test_a_stall_is_counted_once(watched: Watched) -> None:
    watched.camera.silent_s = 6
    watched.dog.check()
    watched.dog.check()
    assert watched.errors("CameraStalled") == 1
    watched.camera.silent_s = 0
    watched.dog.check()
    watched.camera.silent_s = 6
    watched.dog.check()
    assert watched.errors("CameraStalled") == 2


@pytest.mark.parametrize("stage", [Stage.INFERENCE, Stage.STORAGE])
def test_a_stage_that_hangs_is_named_and_the_camera_is_not_blamed(
    watched: Watched, stage: Stage
) -> None:
    with capture_logs() as logged:
        with watched.stages.doing(stage):
            watched.clock.now += 6
            watched.dog.check()
            watched.dog.check()
            assert watched.dog.stuck == [stage]
            assert watched.dog.camera_state is CameraState.LIVE
        watched.dog.check()
    assert [(line["event"], line["stage"]) for line in logged] == [
        ("stage_stuck", stage),
        ("stage_resumed", stage),
    ]
    assert logged[0]["after_s"] == 6
    assert watched.errors("StageStuck") == 1
    assert watched.ended == []


@pytest.mark.parametrize("stage", [Stage.INFERENCE, Stage.STORAGE])
def test_a_process_whose_stage_hangs_for_long_is_ended(watched: Watched, stage: Stage) -> None:
    with watched.stages.doing(stage):
        watched.clock.now += 21
        watched.dog.check()
    assert watched.ended == [HUNG]


def test_a_read_that_lasts_is_a_stalled_camera_and_no_stuck_stage(watched: Watched) -> None:
    watched.camera.reading_s = 15
    assert watched.dog.stuck == []
    watched.camera.reading_s = 21
    assert watched.dog.stuck == [Stage.READ]
    watched.dog.check()
    assert watched.ended == [HUNG]


def test_one_camera_whose_read_hangs_ends_no_process_while_another_goes_on() -> None:
    cameras = {"main": CameraFake(), "side": CameraFake()}
    watched = Watched(cameras)
    cameras["side"].silent_s = cameras["side"].reading_s = 25
    watched.dog.check()
    assert watched.ended == []
    assert watched.dog.state_of("main") is CameraState.LIVE
    assert watched.dog.state_of("side") is CameraState.RECONNECTING
    assert watched.dog.camera_state is CameraState.RECONNECTING
    cameras["main"].reading_s = 25
    watched.dog.check()
    assert watched.ended == [HUNG]


def test_a_model_may_be_compiled_for_minutes(watched: Watched) -> None:
    with watched.stages.doing(Stage.COMPILATION):
        watched.clock.now += 45
        watched.dog.check()
        assert watched.dog.stuck == []
        watched.clock.now += 160
        watched.dog.check()
    assert watched.ended == [HUNG]


def test_the_watchdog_looks_by_itself(watched: Watched) -> None:
    with watched.stages.doing(Stage.INFERENCE):
        watched.clock.now += 21
        watched.dog.start()
        assert watched.end_called.wait(60)
    watched.dog.stop()
