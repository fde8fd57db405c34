"""The server: Streamlit's app, with the pages at the doors beside it in the same process."""

from streamlit import config
from streamlit.starlette import App

from dashboard.door.routes import door_routes

app = App("app.py", routes=door_routes(config.get_option("server.baseUrlPath")))
