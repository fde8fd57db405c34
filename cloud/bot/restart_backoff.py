"""The backoff of restarts: how long a bot that lost its connection waits before its next start."""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from telegram.error import InvalidToken, TelegramError

from cloud import meters
from cloud.bot.receiving.connection_watchdog import ConnectionLost

log = structlog.get_logger("cloud.bot")

SHORTEST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 30.0
"""A bot that lost its connection starts again after a pause, which doubles each time."""

TOKEN_REFUSED_FOR_S: Final = 120.0
"""A token that Telegram refuses for so long is wrong; a passing fault of Telegram is shorter."""


class RestartBackoff:
    """Decides when a bot that lost its connection starts again, and when its process ends instead.

    Args:
        clock: Seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._pause_s = 0.0
        self._has_worked = False
        self._refused_since: float | None = None

    async def supervise(self, run: Awaitable[None]) -> float:
        """Await one run of the main loop.

        Args:
            run: The run.

        Returns:
            The seconds to wait before the next run; 0 after a run that ended in order.

        Raises:
            TelegramError: As `pause_after` raises it.
        """
        try:
            await run
        except (ConnectionLost, TelegramError) as error:
            pause_s = self.pause_after(error)
            reason = str(error)
        else:
            self._has_worked = True
            self._pause_s, self._refused_since = 0.0, None
            return 0.0
        log.error("bot_deaf", reason=reason, begins_anew_in_s=pause_s)
        return pause_s

    def pause_after(self, error: ConnectionLost | TelegramError) -> float:
        """Return the pause after a run that failed.

        Args:
            error: What ended the run.

        Returns:
            The seconds to wait.

        Raises:
            TelegramError: The bot has never worked, so its start is what failed.
            InvalidToken: Telegram has refused the token for TOKEN_REFUSED_FOR_S. The process that
                is started next reads the token anew.
        """
        if isinstance(error, ConnectionLost):
            self._has_worked = True
            refused = error.token_refused
            if error.was_connected:
                self._pause_s, self._refused_since = 0.0, None
        elif self._has_worked:
            refused = isinstance(error, InvalidToken)
        else:
            raise error
        meters.deaf()
        if not refused:
            self._refused_since = None
        elif self._refused_since is None:
            self._refused_since = self._clock()
        elif self._clock() - self._refused_since > TOKEN_REFUSED_FOR_S:
            raise InvalidToken(str(error))
        self._pause_s = min(max(self._pause_s * 2, SHORTEST_PAUSE_S), LONGEST_PAUSE_S)
        return self._pause_s
