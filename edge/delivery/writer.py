"""The writer: stores events in the outbox, in a thread of its own.

So no frame waits for a disk: a flash card may need a fifth of a second for a commit.
"""

import queue
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeAlias

from cloud.contract import Event
from edge.delivery.outbox import Outbox
from edge.stages import Stage, Stages

_MOST_WAITING = 1000
"""Events that wait for a slow disk; with more, the caller of `put` waits, too."""

_Job: TypeAlias = tuple[Event, Callable[[], None]]


class OutboxWriter:
    """Stores events in the order in which they were put. Use it as a context manager.

    Args:
        outbox: Stores the events.
        stages: Get notice of each write.
    """

    def __init__(self, outbox: Outbox, stages: Stages | None = None) -> None:
        self._outbox = outbox
        self._stages = stages if stages is not None else Stages()
        self._jobs: queue.Queue[_Job | None] = queue.Queue(_MOST_WAITING)
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="outbox-writer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Store what waits, and end the thread."""
        self._jobs.put(None)
        self._thread.join()

    def put(self, event: Event, stored: Callable[[], None]) -> None:
        """Store an event soon.

        Args:
            event: To be stored.
            stored: Is called in the writer's thread once the outbox has the event.

        Raises:
            Exception: An earlier event or its `stored` failed.
        """
        self._raise_failure()
        self._jobs.put((event, stored))

    def flush(self) -> None:
        """Wait until all events are stored.

        Raises:
            Exception: An event or its `stored` failed.
        """
        self._jobs.join()
        self._raise_failure()

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            event, stored = job
            try:
                with self._stages.doing(Stage.STORAGE):
                    self._outbox.put(event)
                stored()
            except Exception as error:  # noqa: BLE001 - not swallowed: `put` or `flush` raises it
                self._failure = error
            finally:
                self._jobs.task_done()
        self._jobs.task_done()
