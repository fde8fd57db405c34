"""The panel of the messages about the gate's events: their filter, and the table."""

import streamlit as st

from cloud.contract import Delivery, DeliveryStatus, Gate
from dashboard.connection import Connection
from dashboard.errors import DashboardError, RoleForbidden
from dashboard.history import Search, read_messages
from dashboard.markup import render
from dashboard.panels.remarks import any_or, show_remark, viewers_clock
from dashboard.panels.search_state import kept_search, show_progress
from dashboard.wording.tables import NO_MESSAGES, STATES, delivery_row, how_many, remarks_on


def ask_for_status() -> DeliveryStatus | None:
    """Draw the filter's box, and return the state that is chosen in it; None for any."""
    choices: list[DeliveryStatus | None] = [None, *DeliveryStatus]
    return st.columns(4)[0].selectbox("State", choices, format_func=any_or(STATES))


def show_messages(connection: Connection, gate: Gate, status: DeliveryStatus | None) -> None:
    """Draw the table of a gate's messages.

    Args:
        connection: The settings and the client of the API.
        gate: The gate.
        status: The state of the messages; None for any.
    """
    limit = st.session_state.get("delivery_rows", connection.settings.rows)
    clock = viewers_clock(connection)
    search: Search[Delivery] = kept_search("delivery_search", (gate.id, status), clock.now)
    try:
        messages = read_messages(connection.client, gate.id, status, limit, search)
    except RoleForbidden as error:
        show_remark("deliveries-forbidden", f"This key may not see messages: {error.what}")
        return
    except DashboardError as error:
        words = f"The messages are not known. {error.title}: {error.what}"
        show_remark("deliveries-unknown", words, "bad")
        return
    if messages.items:
        for kind, words in remarks_on(messages.items):
            show_remark(f"deliveries-{kind}", words, kind)
        rows = [delivery_row(delivery, clock) for delivery in messages.items]
        st.html(render("deliveries", rows=rows))
    if messages.unfinished:
        show_progress(search, len(messages.items), "message")
    elif not messages.items:
        show_remark("deliveries-none", "No message is in this state." if status else NO_MESSAGES)
    else:
        show_remark("deliveries-shown", how_many(len(rows), "message", messages.more, clock))
    if messages.more and st.button("Show more messages", key="more_messages"):
        st.session_state["delivery_rows"] = limit + connection.settings.rows
        st.rerun(scope="fragment")
