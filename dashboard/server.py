"""The server: Streamlit's app, with the pages at the doors beside it in the same process."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from streamlit import config
from streamlit.starlette import App

from dashboard.door.routes import door_routes

log = logging.getLogger("dashboard")


@asynccontextmanager
async def logged(_app: App) -> AsyncIterator[None]:
    """Log the beginning and the end of the server, which Streamlit's runner does not."""
    log.info("dashboard_started port=%s", config.get_option("server.port"))
    yield
    log.info("dashboard_ended")


app = App("app.py", routes=door_routes(config.get_option("server.baseUrlPath")), lifespan=logged)
"""What `streamlit run` serves."""
