"""The relay: carries jobs from the outbox to a queue on another Redis, where there is one."""

import threading
from datetime import timedelta
from typing import Final

from cloud import availability
from cloud.errors import StoreError
from cloud.store import Store

WAIT: Final = timedelta(seconds=1)
"""How long one look waits for a job; shorter than what Redis is given to answer."""


class Relay:
    """Relays on a thread of its own. Any number of workers may: no entry is taken twice."""

    def __init__(self, store: Store) -> None:
        self._outbox = store.outbox
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="relay", daemon=True)

    def start(self) -> None:
        """Begin to carry jobs over, where the queue is elsewhere."""
        if self._outbox is not None:
            self._thread.start()

    def stop(self) -> None:
        """Carry no more; what is left waits for another relay."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def drain(self) -> None:
        """Carry over all that is there now."""
        while self._outbox is not None and self._outbox.relay():
            pass

    def _work(self) -> None:
        while self._outbox is not None and not self._stop.is_set():
            try:
                self._outbox.relay(WAIT)
            except StoreError as error:
                availability.of_the_store.lost("relay", error)
                self._stop.wait(1.0)
            else:
                availability.of_the_store.restored("relay")
