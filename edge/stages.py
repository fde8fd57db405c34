"""The stages of a frame's way: how long each has been busy with its present call."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum


class Stage(StrEnum):
    """A part of the edge in which a call may hang."""

    READ = "read"
    """The source is opened, or its next picture is read."""

    COMPILATION = "compilation"
    """A model is compiled for the size of the pictures."""

    INFERENCE = "inference"
    """The models judge a frame."""

    STORAGE = "storage"
    """A verdict is written to the disk."""


class Stages:
    """Notes when the present calls of each stage began. May be used from several threads.

    Several cameras may be busy in one stage. The call that has lasted longest counts.

    Args:
        clock: Returns monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._began: dict[Stage, list[float]] = {stage: [] for stage in Stage}

    @contextmanager
    def doing(self, stage: Stage) -> Iterator[None]:
        """Count the stage as busy for the length of a `with`."""
        with self._lock:
            began = self._clock()
            self._began[stage].append(began)
        try:
            yield
        finally:
            with self._lock:
                self._began[stage].remove(began)

    def busy_s(self, stage: Stage) -> float:
        """Return the seconds that the longest call of a stage has lasted; 0 while it is idle."""
        with self._lock:
            began = self._began[stage]
            return self._clock() - min(began) if began else 0.0

    def busy(self) -> dict[str, float]:
        """Return the seconds of each present call, by the stage's name."""
        return {str(stage): round(self.busy_s(stage), 1) for stage in Stage if self.busy_s(stage)}
