"""The HTTP server: uvicorn, which ends streams and long polls before it waits for requests."""

import asyncio
import resource
import socket
from collections.abc import Callable
from functools import partial
from typing import Final, cast

import structlog
import uvicorn
from fastapi import FastAPI

from cloud.api.serving.connections import Connection, Connections
from cloud.api.serving.limits import Limits
from cloud.listening import host_of_both_families
from cloud.settings import Settings

log = structlog.get_logger("cloud.api")

GRACE_S = 10
"""How long requests in hand are waited for."""

SWEEP_S: Final = 0.25
"""How exactly the time limits of connections are kept."""

OTHER_FILES: Final = 256
"""Files that a process has open beside its connections, such as those to Redis, at most."""

SLOWEST_BODY: Final = 16 * 1024
"""Bytes a second that a client sends of a large body at least."""


class Server(uvicorn.Server):
    """Serves the API. An event stream has no end of its own, so its listeners are sent away.

    Args:
        app: the API, as `create_app` returns it.
        host: the address to listen on; ``::`` is every address, of IPv6 and IPv4.
        port: the port to listen on.
        at_end: called when all is done: uvicorn then raises the signal that stopped it once more,
            and nothing after `run` is sure to happen.
        limits: what a client may ask of a connection; unset: as the app's settings say.
    """

    def __init__(
        self,
        app: FastAPI,
        *,
        host: str,
        port: int,
        at_end: Callable[[], None] = lambda: None,
        limits: Limits | None = None,
    ) -> None:
        settings: Settings = app.state.settings
        self._connections = Connections(
            limits or limits_of(settings),
            refused=app.state.metrics.ended,
            over_tls=settings.public_over_tls,
        )
        super().__init__(
            uvicorn.Config(
                app,
                host=host_of_both_families(host),
                port=port,
                http=cast(
                    "type[asyncio.Protocol]", partial(Connection, all_of_them=self._connections)
                ),
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # the app's own middleware reads them, from whom it trusts
                timeout_graceful_shutdown=GRACE_S,
            )
        )
        self._app = app
        self._at_end = at_end
        self._sweeping: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and to look after connections."""
        _allow_files(self._connections.limits.connections + OTHER_FILES)
        await super().startup(sockets)
        self._sweeping = asyncio.create_task(self._sweep())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close listeners, then finish the requests in hand."""
        feed = getattr(self._app.state, "feed", None)
        if feed is not None:
            feed.close()
        long_polls = getattr(self._app.state, "long_polls", None)
        if long_polls is not None:
            long_polls.end_all()
        await super().shutdown(sockets)
        if self._sweeping is not None:
            self._sweeping.cancel()
        await asyncio.to_thread(self._at_end)

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_S)
            self._connections.sweep(loop.time())


def _allow_files(wanted: int) -> None:
    """Raise the number of files that this process may have open, where that is too low."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        log.warning("too_few_files", allowed=allowed, wanted=wanted)


def limits_of(settings: Settings) -> Limits:
    """Return what a client may ask of a connection, as the settings say."""
    largest = max(settings.max_body_bytes, settings.preview_max_bytes)
    return Limits(
        connections=settings.max_connections,
        head_bytes=settings.max_header_bytes,
        target_bytes=settings.max_header_bytes // 2,
        head_s=settings.request_timeout_s,
        idle_s=settings.request_timeout_s,
        body_s=settings.request_timeout_s + largest / SLOWEST_BODY,
        unread_s=settings.unread_timeout_s,
    )
