"""The page Gate: the gate's last verdict, its events, and the messages that went out about them."""

import base64
from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any

import streamlit as st

from cloud.client import Unread
from cloud.contract import Access, Delivery, DeliveryStatus, EventRecord, Gate, Label
from dashboard.banner import LABELS, Banner, banner_for, closed_banner
from dashboard.bell import show_bell
from dashboard.client import Client
from dashboard.clock import LocalClock
from dashboard.connection import Connection, connect
from dashboard.devices import remarks_on_devices
from dashboard.errors import ApiRefused, DashboardError, GateUnknown, RoleForbidden, SettingsInvalid
from dashboard.history import EventFilter, Search, read_history, read_messages
from dashboard.markup import render
from dashboard.tables import (
    NO_MESSAGES,
    STATES,
    delivery_row,
    event_row,
    how_far,
    how_many,
    remarks_on,
)

TABLES_EVERY_S = 2.0
"""People read the tables; only the banner is waited for."""

DEVICES_EVERY_S = 5.0
"""Devices report about every 15 s."""

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


def show_gate() -> None:
    """Draw the page. What fails is said on it, with its mend."""
    try:
        connection = connect()
    except SettingsInvalid as error:
        _show_trouble(error)
        return
    try:
        gates = connection.client.gates()
    except DashboardError as error:
        _wait_out(connection, error)
        return
    at_door = st.query_params.get("screen") == "door"
    gate = _choose(gates, quietly=at_door)
    if gate is None:
        return
    every_s = connection.settings.refresh_s
    st.fragment(_show_banner, run_every=every_s)(connection, gate, at_door)
    st.fragment(_show_devices, run_every=max(every_s, DEVICES_EVERY_S))(connection, gate, at_door)
    if at_door:
        return
    if connection.settings.gate_control:
        st.fragment(_show_control, run_every=max(every_s, TABLES_EVERY_S))(connection, gate)
    tables_every_s = max(every_s, TABLES_EVERY_S)
    st.subheader("Events", anchor=False)
    wanted = _ask_for_events(gate, _clock(connection))
    st.fragment(_show_events, run_every=tables_every_s)(connection, gate, wanted)
    st.subheader("Messages", anchor=False)
    status = _ask_for_status()
    st.fragment(_show_deliveries, run_every=tables_every_s)(connection, gate, status)


def _show_trouble(error: DashboardError) -> None:
    st.html(render("trouble", title=error.title, what=error.what, mend=error.mend))


def _remark(name: str, words: str, kind: str = "plain") -> None:
    st.html(render("remark", name=name, words=words, kind=kind))


def _wait_out(connection: Connection, error: DashboardError) -> None:
    """Show the trouble, and the page as soon as it is over."""
    known = [error]

    def look() -> None:
        if known:
            _show_trouble(known.pop())
            return
        try:
            connection.client.gates()
        except DashboardError as still:
            _show_trouble(still)
        else:
            st.rerun()

    st.fragment(look, run_every=connection.settings.refresh_s)()


def _clock(connection: Connection) -> LocalClock:
    return LocalClock.of(st.context.timezone, connection.client.now())


def _choose(gates: Sequence[Gate | Unread], *, quietly: bool) -> Gate | None:
    """The gate that the address names, or the one chosen on the page; None where neither is one."""
    known = {gate.id: gate for gate in gates if isinstance(gate, Gate)}
    for gate in gates:
        if isinstance(gate, Unread):
            words = f"The gate {gate.text('id')} cannot be shown: this dashboard does not know "
            _remark("gates-unread", f"{words}{gate.why}. Update the dashboard.", "bad")
    named = st.query_params.get("gate")
    if not gates:
        _show_trouble(
            GateUnknown(
                "The cloud has no gate yet, or none that this key may see.",
                "Make one with: python -m cloud gates create main --name 'Main entrance'; "
                "then load this page again.",
            )
        )
        return None
    if named is not None and named not in known:
        _show_trouble(
            GateUnknown(
                f"The address of this page asks for the gate '{named}'.",
                f"Choose a gate below. This key sees: {', '.join(sorted(known))}.",
            )
        )
    elif quietly and named is not None:
        return known[named]
    ids = sorted(known, key=lambda each: known[each].name)
    start = named if named in known else ids[0] if named is None and len(ids) == 1 else None
    name, choice = st.columns([3, 2], vertical_alignment="center")
    name.html('<p class="mg-brand">Maskgate</p>')
    chosen = choice.selectbox(
        "Gate",
        ids,
        index=None if start is None else ids.index(start),
        format_func=lambda each: known[each].name,
        placeholder="Choose a gate",
        key="gate",
        label_visibility="collapsed",
    )
    if chosen is None:
        return None
    if chosen != named:
        st.query_params["gate"] = chosen
        if named is not None:
            st.rerun()  # what was written above belongs to the gate before
    return known[chosen]


def _show_banner(connection: Connection, gate: Gate, at_door: bool) -> None:
    settings, client = connection.settings, connection.client
    banner = None
    try:
        closed = client.gate(gate.id).closed
        newest = client.newest_event(gate.id)
        clock = _clock(connection)
        st.session_state["answered_at"] = clock.at(client.now())
        if closed:
            banner = closed_banner(newest, clock)
        else:
            banner = banner_for(newest, clock, timedelta(seconds=settings.verdict_shown_s))
        qr, qr_missing = _qr(client, banner)
        st.html(
            render(
                "banner",
                banner=banner,
                gate=gate.name,
                at_door=at_door,
                qr=qr,
                qr_missing=qr_missing,
            )
        )
    except DashboardError as error:
        banner = None
        _show_trouble(error)
    show_bell(
        refusal=banner.refusal if banner else None,
        pulse=datetime.now(UTC).isoformat(),
        answered_at=st.session_state.get("answered_at", ""),
        troubled=banner is None,
    )


def _show_devices(connection: Connection, gate: Gate, at_door: bool) -> None:
    try:
        devices = connection.client.devices(gate.id)
    except RoleForbidden as error:
        if not at_door:
            _remark("devices", f"Whether the camera works is not for this key to see: {error.what}")
        return
    except DashboardError as error:
        _remark("devices", f"Whether the camera works is not known: {error.what}", "bad")
        return
    for kind, words in remarks_on_devices(devices, gate, _clock(connection)):
        _remark("devices", words, kind)


def _show_control(connection: Connection, gate: Gate) -> None:
    """What closes the gate, and opens it again. What the cloud refuses is said beneath."""
    try:
        closed = connection.client.gate(gate.id).closed
    except DashboardError as error:
        words = f"Whether the gate is closed is not known. {error.title}: {error.what}"
        _remark("control-unknown", words, "bad")
        return
    why, act = st.columns([3, 1], vertical_alignment="bottom")
    reason = why.text_input(
        "Reason",
        max_chars=500,
        key=f"reason, closed: {closed}",
        placeholder="For the audit trail, such as fire drill",
    )
    pressed = act.button(
        "Open this gate" if closed else "Close this gate", key="control", width="stretch"
    )
    if pressed:
        try:
            connection.client.close_gate(gate.id, closed=not closed, reason=reason)
        except DashboardError as error:
            _remark("control-failed", f"{error.title}: {error.what} {error.mend}", "bad")
            return
        st.rerun()


def _qr(client: Client, banner: Banner) -> tuple[str | None, DashboardError | None]:
    """The code in base64, or why there is none. Kept for this viewer while its pass is live."""
    if banner.qr_of is None:
        st.session_state.pop("qr", None)
        return None, None
    held = st.session_state.get("qr")
    if held is None or held[0] != banner.qr_of:
        try:
            held = (banner.qr_of, base64.b64encode(client.pass_qr(banner.qr_of)).decode())
        except ApiRefused as error:
            return None, error
        st.session_state["qr"] = held
    return held[1], None


def _ask_for_events(gate: Gate, clock: LocalClock) -> EventFilter:
    """The filter that is set. Its times are those of acceptance, by which the API filters."""
    columns = st.columns(4)
    access = columns[0].selectbox(
        "Answer", [None, *Access], format_func=_any_or({each: each.value for each in Access})
    )
    label = columns[1].selectbox("Verdict", [None, *Label], format_func=_any_or(LABELS))
    period = columns[2].selectbox("Accepted in", list(_PERIODS), help=_ACCEPTED)
    where = columns[3].selectbox("At", ["this gate", _EVERY_GATE])
    since, until = None, None
    if period == _OWN_PERIOD:
        today = datetime.combine(clock.local(clock.now), time.min)
        ends = st.columns(2)
        since = clock.moment(ends[0].datetime_input("Accepted from", today))
        until = clock.moment(ends[1].datetime_input("Accepted before", today + timedelta(days=1)))
        if since and until and since > until:
            _remark("events-remark", "The period ends before it begins.", "bad")
    return EventFilter(
        gate=None if where == _EVERY_GATE else gate.id,
        access=access,
        label=label,
        since=since,
        until=until,
        last=_PERIODS[period],
    )


def _any_or(words: Mapping[Any, str]) -> Callable[[Any], str]:
    return lambda choice: "any" if choice is None else words[choice].lower()


def _search(name: str, subject: Hashable, now: datetime) -> Search[Any]:
    """The search of the table `name`: the one that goes on, or a new one for a new subject."""
    kept: Search[Any] | None = st.session_state.get(name)
    if kept is None or not kept.serves(subject, now):
        kept = st.session_state[name] = Search(subject)
    kept.drawn_at = now
    return kept


def _show_events(connection: Connection, gate: Gate, wanted: EventFilter) -> None:
    limit = st.session_state.get("event_rows", connection.settings.rows)
    clock = _clock(connection)
    search: Search[EventRecord] = _search("event_search", wanted, clock.now)
    try:
        history = read_history(connection.client, wanted, limit, search)
    except DashboardError as error:
        _remark("events-unknown", f"The events are not known. {error.title}: {error.what}", "bad")
        return
    if history.items:
        rows = [event_row(event, clock) for event in history.items]
        st.html(render("events", rows=rows, with_gate=wanted.gate is None))
    if history.unfinished:
        _show_search(search, len(history.items), "event")
    elif not history.items:
        _remark("events-none", _none_of(wanted, gate))
    else:
        _remark("events-shown", how_many(len(rows), "event", history.more, clock))
    if history.more and st.button("Show more events", key="more_events"):
        st.session_state["event_rows"] = limit + connection.settings.rows
        st.rerun(scope="fragment")


def _show_search(search: Search[Any], count: int, noun: str) -> None:
    """How far the search has come, and what makes it go on where it stopped."""
    words = how_far(count, noun, search.pages, stopped=search.stopped)
    _remark(f"{noun}s-searched", words, "choice" if search.stopped else "plain")
    if search.stopped:
        st.button("Search on", key=f"search_on_{noun}s", on_click=search.go_on)


def _none_of(wanted: EventFilter, gate: Gate) -> str:
    if wanted.narrows:
        return "No event matches these filters."
    return "No events yet." if wanted.gate is None else f"No events yet at {gate.name}."


def _ask_for_status() -> DeliveryStatus | None:
    choices: list[DeliveryStatus | None] = [None, *DeliveryStatus]
    return st.columns(4)[0].selectbox("State", choices, format_func=_any_or(STATES))


def _show_deliveries(connection: Connection, gate: Gate, status: DeliveryStatus | None) -> None:
    limit = st.session_state.get("delivery_rows", connection.settings.rows)
    clock = _clock(connection)
    search: Search[Delivery] = _search("delivery_search", (gate.id, status), clock.now)
    try:
        messages = read_messages(connection.client, gate.id, status, limit, search)
    except RoleForbidden as error:
        _remark("deliveries-forbidden", f"Messages are not for this key to see: {error.what}")
        return
    except DashboardError as error:
        words = f"The messages are not known. {error.title}: {error.what}"
        _remark("deliveries-unknown", words, "bad")
        return
    if messages.items:
        for kind, words in remarks_on(messages.items):
            _remark(f"deliveries-{kind}", words, kind)
        rows = [delivery_row(delivery, clock) for delivery in messages.items]
        st.html(render("deliveries", rows=rows))
    if messages.unfinished:
        _show_search(search, len(messages.items), "message")
    elif not messages.items:
        _remark("deliveries-none", "No message is in this state." if status else NO_MESSAGES)
    else:
        _remark("deliveries-shown", how_many(len(rows), "message", messages.more, clock))
    if messages.more and st.button("Show more messages", key="more_messages"):
        st.session_state["delivery_rows"] = limit + connection.settings.rows
        st.rerun(scope="fragment")
