"""The state of a table's search: kept between two refreshes, and shown while it goes on."""

from collections.abc import Hashable
from datetime import datetime
from typing import Any

import streamlit as st

from dashboard.history import Search
from dashboard.panels.remarks import show_remark
from dashboard.wording.tables import how_far


def kept_search(name: str, subject: Hashable, now: datetime) -> Search[Any]:
    """Return the search of a table: the one that goes on, or a new one.

    Args:
        name: The name under which this viewer's session keeps the search.
        subject: What is searched for. A search for another subject is replaced.
        now: The time now.

    Returns:
        The search.
    """
    kept: Search[Any] | None = st.session_state.get(name)
    if kept is None or not kept.serves(subject, now):
        kept = st.session_state[name] = Search(subject)
    kept.drawn_at = now
    return kept


def show_progress(search: Search[Any], count: int, noun: str) -> None:
    """Draw how far a search has come, and a button where it has stopped.

    Args:
        search: The search.
        count: How many entries it has found.
        noun: What an entry is: event or message.
    """
    words = how_far(count, noun, search.pages, stopped=search.stopped)
    show_remark(f"{noun}s-searched", words, "choice" if search.stopped else "plain")
    if search.stopped:
        st.button("Search on", key=f"search_on_{noun}s", on_click=search.go_on)
