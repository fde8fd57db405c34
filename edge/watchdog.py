"""The watchdog: notices a silent camera and a stage that hangs, and ends a process that hangs."""

import threading
from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from cloud.contract import CameraState
from edge.ending import HUNG, end_process
from edge.health import Health
from edge.stages import Stage, Stages

_log = structlog.get_logger(__name__)

_COMPILATION_FACTOR = 10
"""A model may be compiled for so many times the time of another call: a small computer needs
minutes."""


_WORST_FIRST = (CameraState.RECONNECTING, CameraState.LIVE, CameraState.ENDED)


class WatchedCamera(Protocol):
    """What the watchdog asks a camera."""

    @property
    def state(self) -> CameraState:
        """The state by the camera's own account."""

    @property
    def silent_s(self) -> float:
        """Seconds for which the camera has waited for a new picture."""

    @property
    def reading_s(self) -> float:
        """Seconds of the present call that opens or reads the source; 0 if there is none."""


class Watchdog:
    """Checks the cameras and the stages regularly, in a thread of its own.

    A hang in native code cannot be ended from outside. So a stage that hangs for long ends the
    process, and whatever started the process (a container's restart policy, systemd) starts it
    again. Nothing is lost: every verdict that was shown is on the disk.

    A camera whose read hangs does not end the process while another camera goes on.

    Args:
        cameras: By their names. A camera is stalled if it is silent for `stall_after_s`.
        stages: Are stuck if a call lasts for `stall_after_s`.
        health: Counts stalls and stuck stages.
        stall_after_s: In seconds.
        exit_after_s: Seconds after which a stuck stage ends the process; 0 for never.
        end: Ends the process with an exit code.
    """

    def __init__(
        self,
        cameras: Mapping[str, WatchedCamera],
        stages: Stages,
        health: Health,
        *,
        stall_after_s: float,
        exit_after_s: float = 0.0,
        end: Callable[[int], None] = end_process,
    ) -> None:
        self._cameras = cameras
        self._stages = stages
        self._health = health
        self._stall_after_s = stall_after_s
        self._exit_after_s = exit_after_s
        self._end = end
        self._were_stalled: set[str] = set()
        self._were_stuck: set[Stage] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def is_stalled(self, name: str) -> bool:
        """Return whether a camera has sent no new picture for `stall_after_s`."""
        return self._cameras[name].silent_s > self._stall_after_s

    def state_of(self, name: str) -> CameraState:
        """Return the state to report: a live camera that is stalled counts as reconnecting."""
        state = self._cameras[name].state
        is_lost = state is CameraState.LIVE and self.is_stalled(name)
        return CameraState.RECONNECTING if is_lost else state

    @property
    def camera_state(self) -> CameraState:
        """The worst state of the cameras: reconnecting before live, and live before ended."""
        states = {self.state_of(name) for name in self._cameras}
        return next(state for state in _WORST_FIRST if state in states)

    @property
    def stuck(self) -> list[Stage]:
        """The stages whose present call lasts too long.

        A read is not among them before it would end the process: until then the camera is stalled,
        which has a name of its own.
        """
        return [stage for stage in Stage if self._busy_s(stage) > self._patience_s(stage)]

    def check(self) -> None:
        """Count and log what began or ended since the last check; end a process that hangs."""
        stalled = {name for name in self._cameras if self.is_stalled(name)}
        for name in sorted(stalled - self._were_stalled):
            self._health.count_error("CameraStalled")
            _log.error("camera_stalled", without_frame_s=self._stall_after_s, **_named(name))
        for name in sorted(self._were_stalled - stalled):
            _log.info("camera_resumed", **_named(name))
        self._were_stalled = stalled
        stuck = set(self.stuck)
        for stage in sorted(stuck - self._were_stuck):
            self._health.count_error("StageStuck")
            after_s = round(self._busy_s(stage), 1)
            _log.error("stage_stuck", stage=str(stage), after_s=after_s)
        for stage in sorted(self._were_stuck - stuck):
            _log.info("stage_resumed", stage=str(stage))
        self._were_stuck = stuck
        for stage in Stage:
            after_s = self._busy_s(stage)
            if self._exit_after_s and after_s > self._exit_after_s * _factor(stage):
                _log.critical("hung_process_ended", stage=str(stage), after_s=round(after_s, 1))
                self._end(HUNG)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread."""
        self._stop.set()
        self._thread.join()

    def _busy_s(self, stage: Stage) -> float:
        if stage is Stage.READ:
            ongoing = [c for c in self._cameras.values() if c.state is not CameraState.ENDED]
            return min((camera.reading_s for camera in ongoing), default=0.0)
        return self._stages.busy_s(stage)

    def _patience_s(self, stage: Stage) -> float:
        if stage is Stage.READ:
            return max(self._exit_after_s, self._stall_after_s)
        return self._stall_after_s * _factor(stage)

    def _run(self) -> None:
        while not self._stop.wait(min(1.0, self._stall_after_s / 4)):
            self.check()


def _named(camera: str) -> dict[str, str]:
    return {"camera": camera} if camera else {}


def _factor(stage: Stage) -> int:
    return _COMPILATION_FACTOR if stage is Stage.COMPILATION else 1
