"""The HTTP server: uvicorn, which tells listeners that it leaves before it waits for them."""

import socket

import uvicorn
from fastapi import FastAPI

GRACE_S = 10
"""How long requests in hand are waited for."""


class Server(uvicorn.Server):
    """Serves the API. An event stream has no end of its own, so its listeners are sent away."""

    def __init__(self, app: FastAPI, *, host: str, port: int) -> None:
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

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close listeners, then finish the requests in hand."""
        feed = getattr(self._app.state, "feed", None)
        if feed is not None:
            feed.close()
        bell = getattr(self._app.state, "bell", None)
        if bell is not None:
            bell.hush()
        await super().shutdown(sockets)
