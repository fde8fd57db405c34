"""The connection: the settings and the client of the API, which all viewers share."""

from dataclasses import dataclass

import streamlit as st

from dashboard.client import Client
from dashboard.settings import Settings, load_settings


@dataclass(frozen=True, slots=True)
class Connection:
    """The settings, and a client that was opened with them."""

    settings: Settings
    client: Client


@st.cache_resource(show_spinner=False, on_release=lambda held: held.client.close())
def connect() -> Connection:
    """Return the connection, which is opened at the first call.

    Returns:
        The connection.

    Raises:
        SettingsInvalid: A setting is wrong. Each call tries again.
    """
    settings = load_settings()
    return Connection(settings, Client(settings))
