"""One call at a time, whose result every caller waits for, each for a limited time."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Runs a call on a thread of its own; callers that come meanwhile share its result.

    The client of Redis waits several seconds for each of its tries. A page of metrics must be
    answered sooner: before the probe or Prometheus, which reads the page, gives up.

    Args:
        ask: The call. It may take long, and may raise.
        patience_s: The time in seconds that one caller waits.
    """

    def __init__(self, ask: Callable[[], T], patience_s: float) -> None:
        self._ask = ask
        self._patience_s = patience_s
        self._turn = threading.Lock()
        self._asked: Future[T] | None = None

    def result(self) -> T:
        """Return the result of the call.

        Returns:
            The result of the call that is running, or of a new one.

        Raises:
            TimeoutError: There is no result yet. The call goes on.
        """
        with self._turn:
            asked = self._asked
            if asked is None or asked.done():
                asked = self._asked = Future()
                # A daemon, so that a process ends though the answer is not there.
                threading.Thread(
                    target=self._run, args=(asked,), name="single_flight", daemon=True
                ).start()
        return asked.result(self._patience_s)

    def _run(self, asked: "Future[T]") -> None:
        try:
            asked.set_result(self._ask())
        except BaseException as error:  # noqa: BLE001 (whoever waits is told)
            asked.set_exception(error)
