"""The HTTP server: uvicorn, which tells listeners that it leaves before it waits for them."""

import asyncio
import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

GRACE_S = 10
"""How long requests in hand are waited for."""


class Server(uvicorn.Server):
    """Serves the API. An event stream has no end of its own, so its listeners are sent away.

    `at_end` is called when all is done: uvicorn then raises the signal that stopped it once more,
    and nothing after `run` is sure to happen.
    """

    def __init__(
        self, app: FastAPI, *, host: str, port: int, at_end: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # the app's own middleware reads them, from whom it trusts
                timeout_graceful_shutdown=GRACE_S,
            )
        )
        self._app = app
        self._at_end = at_end

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close listeners, then finish the requests in hand."""
        feed = getattr(self._app.state, "feed", None)
        if feed is not None:
            feed.close()
        bell = getattr(self._app.state, "bell", None)
        if bell is not None:
            bell.hush()
        await super().shutdown(sockets)
        await asyncio.to_thread(self._at_end)
