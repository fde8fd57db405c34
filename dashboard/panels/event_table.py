"""The panel of the events: their filter, and the table."""

from datetime import datetime, time, timedelta

import streamlit as st

from cloud.contract import Access, EventRecord, Gate, Label
from dashboard.connection import Connection
from dashboard.errors import DashboardError
from dashboard.history import EventFilter, Search, read_history
from dashboard.markup import render
from dashboard.panels.remarks import any_or, show_remark, viewers_clock
from dashboard.panels.search_state import kept_search, show_progress
from dashboard.wording.banner import LABELS
from dashboard.wording.clock import LocalClock
from dashboard.wording.tables import event_row, how_many

_EVERY_GATE = "every gate"

_OWN_PERIOD = "a period of my own"

_PERIODS = {
    "any time": None,
    "the last hour": timedelta(hours=1),
    "the last 24 hours": timedelta(hours=24),
    _OWN_PERIOD: None,
}

_ACCEPTED = (
    "When the cloud accepted the event. A gate that was offline delivers its events later than it "
    "saw the people: such a row shows both times."
)


def ask_for_events(gate: Gate, clock: LocalClock) -> EventFilter:
    """Draw the filter's boxes, and return the filter that is set in them."""
    columns = st.columns(4)
    access = columns[0].selectbox(
        "Answer", [None, *Access], format_func=any_or({each: each.value for each in Access})
    )
    label = columns[1].selectbox("Verdict", [None, *Label], format_func=any_or(LABELS))
    period = columns[2].selectbox("Accepted in", list(_PERIODS), help=_ACCEPTED)
    where = columns[3].selectbox("At", ["this gate", _EVERY_GATE])
    since, until = None, None
    if period == _OWN_PERIOD:
        today = datetime.combine(clock.local(clock.now), time.min)
        ends = st.columns(2)
        since = clock.moment(ends[0].datetime_input("Accepted from", today))
        until = clock.moment(ends[1].datetime_input("Accepted before", today + timedelta(days=1)))
        if since and until and since > until:
            show_remark("events-remark", "The period ends before it begins.", "bad")
    return EventFilter(
        gate=None if where == _EVERY_GATE else gate.id,
        access=access,
        label=label,
        since=since,
        until=until,
        last=_PERIODS[period],
    )


def show_events(connection: Connection, gate: Gate, wanted: EventFilter) -> None:
    """Draw the table of the events that match a filter.

    Args:
        connection: The settings and the client of the API.
        gate: The gate of the page.
        wanted: The filter.
    """
    limit = st.session_state.get("event_rows", connection.settings.rows)
    clock = viewers_clock(connection)
    search: Search[EventRecord] = kept_search("event_search", wanted, clock.now)
    try:
        history = read_history(connection.client, wanted, limit, search)
    except DashboardError as error:
        words = f"The events are not known. {error.title}: {error.what}"
        show_remark("events-unknown", words, "bad")
        return
    if history.items:
        rows = [event_row(event, clock) for event in history.items]
        st.html(render("events", rows=rows, with_gate=wanted.gate is None))
    if history.unfinished:
        show_progress(search, len(history.items), "event")
    elif not history.items:
        show_remark("events-none", _none_of(wanted, gate))
    else:
        show_remark("events-shown", how_many(len(rows), "event", history.more, clock))
    if history.more and st.button("Show more events", key="more_events"):
        st.session_state["event_rows"] = limit + connection.settings.rows
        st.rerun(scope="fragment")


def _none_of(wanted: EventFilter, gate: Gate) -> str:
    if wanted.narrows:
        return "No event matches these filters."
    return "No events yet." if wanted.gate is None else f"No events yet at {gate.name}."
