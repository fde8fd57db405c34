"""The log of a redis-server as JSON lines: `python -m cloud.commands.redis_log` reads it."""

import os
import re
import signal
import subprocess
import sys
from typing import Final

import structlog

from cloud import logs
from cloud.commands import console

log = structlog.get_logger("redis")

_LINE: Final = re.compile(
    r"(?P<pid>\d+):(?P<role>[XCSM]) \d+ \w+ \d{4} [\d:.]+ (?P<level>[.*#-]) (?P<text>.*)"
)
"""Process, role, local time, level and text (serverLogRaw in Redis' src/server.c)."""

_LEVELS: Final = {".": "debug", "-": "debug", "*": "info", "#": "warning"}

_ROLES: Final = {"X": "sentinel", "C": "child", "S": "replica", "M": "master"}

_ORDINARY: Final = (
    "oO0OoO0OoO0Oo Redis is starting",
    "Redis version=",
    "Configuration loaded",
    "Server initialized",
    "User requested shutdown",
    "Redis is now ready to exit",
)
"""Texts that Redis 6 logs as warnings at every start and end, and Redis 7 as notices."""


def write_as_json() -> None:
    """Start a program that writes the later output of this process as JSON.

    The redis-server that replaces this process keeps its process id and gets its signals. The
    program ends after the server.
    """
    reader, writer = os.pipe()
    subprocess.Popen(
        [sys.executable, "-m", "cloud.commands.redis_log"],
        stdin=reader,
        # A Ctrl-C is for the server alone: the program writes the server's last lines.
        start_new_session=True,
    )
    os.close(reader)
    for descriptor in (1, 2):
        os.dup2(writer, descriptor)
    os.close(writer)


def read(line: str) -> tuple[str, dict[str, str]]:
    """Return the level of a line of Redis' log, and its fields in our log."""
    found = _LINE.fullmatch(line)
    if found is None:
        return "info", {"message": line}
    text = found["text"]
    level = "info" if text.startswith(_ORDINARY) else _LEVELS[found["level"]]
    return level, {"message": text, "role": _ROLES[found["role"]]}


def _main() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    logs.start(console.settings())
    for line in sys.stdin:
        if text := line.strip():
            level, fields = read(text)
            getattr(log, level)(logs.LIBRARY_MESSAGE, **fields)


if __name__ == "__main__":
    _main()
