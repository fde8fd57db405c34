"""A clock that a test moves on."""


class Clock:
    """Returns monotonic seconds.

    Attributes:
        now: The seconds; the test adds to them.
    """

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now
