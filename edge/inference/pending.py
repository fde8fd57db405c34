"""An answer that is still being computed."""

from collections.abc import Callable
from typing import Generic, TypeVar

_T = TypeVar("_T")
_R = TypeVar("_R")


class Pending(Generic[_T]):
    """The answer of a request that runs in the background.

    Args:
        finish: Waits for the request, and returns its answer.
    """

    __slots__ = ("_answer", "_finish")

    def __init__(self, finish: Callable[[], _T]) -> None:
        self._finish = finish
        self._answer: tuple[_T] | None = None

    def result(self) -> _T:
        """Wait for the answer; each call returns the same one.

        Returns:
            The answer.

        Raises:
            ModelUnfitError: The request failed.
        """
        if self._answer is None:
            self._answer = (self._finish(),)
        return self._answer[0]

    def then(self, step: Callable[[_T], _R]) -> "Pending[_R]":
        """Return an answer that is `step` of this one; `step` runs in the thread that waits."""
        return Pending(lambda: step(self.result()))
