"""The settings and the API client that all of this process's viewers share."""

from dataclasses import dataclass

import streamlit as st

from dashboard.client import Client
from dashboard.settings import Settings, load_settings


@dataclass(frozen=True, slots=True)
class Connection:
    """One client, opened with these settings."""

    settings: Settings
    client: Client


@st.cache_resource(show_spinner=False, on_release=lambda held: held.client.close())
def connect() -> Connection:
    """The connection. Raises SettingsInvalid, anew at each try, until the settings are right."""
    settings = load_settings()
    return Connection(settings, Client(settings))
