"""The last lines of the log, in memory alone, for a person who asks for them from afar."""

import json
from collections import deque
from collections.abc import MutableMapping
from typing import Any, Final

from cloud.contract.device_logs import LINE_LENGTH, LINES_AT_MOST
from edge.redaction.addresses import redacted_in
from edge.redaction.secrets import KNOWN

BYTES_AT_MOST: Final = 128 * 1024
"""Bytes of all lines that are sent; the cloud takes 256 KiB, and JSON writes some characters as
six."""


class LogMemory:
    """Keeps the newest lines of the log. May be used from several threads."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=LINES_AT_MOST)

    def __call__(
        self, _logger: Any, _method: str, line: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """Keep a line and pass it on (a structlog processor, behind the one that redacts)."""
        self._lines.append(json.dumps(dict(line), default=str, ensure_ascii=False))
        return line

    def last(self, count: int) -> tuple[list[str], int]:
        """Return the last lines without secrets, within BYTES_AT_MOST.

        Args:
            count: Lines at most.

        Returns:
            The lines, the oldest first, each of LINE_LENGTH characters at most; and how many of
            those that were asked for did not fit.
        """
        asked = list(self._lines)[-count:]
        kept: list[str] = []
        left = BYTES_AT_MOST
        for line in reversed(asked):
            # A secret may have become known after the line was written.
            text = KNOWN.redacted(redacted_in(line))[:LINE_LENGTH]
            left -= len(json.dumps(text))
            if left < 0:
                break
            kept.append(text)
        kept.reverse()
        return kept, len(asked) - len(kept)


LAST_LINES: Final = LogMemory()
"""The log of this process."""
