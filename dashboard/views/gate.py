"""The page Gate: the gate's last verdict, its devices, its events, and the messages about them."""

import streamlit as st

from dashboard.connection import Connection, connect
from dashboard.errors import DashboardError, SettingsInvalid
from dashboard.panels.device_state import show_device_state
from dashboard.panels.event_table import ask_for_events, show_events
from dashboard.panels.gate_choice import choose_gate
from dashboard.panels.gate_control import show_gate_control
from dashboard.panels.message_table import ask_for_status, show_messages
from dashboard.panels.remarks import show_failure, show_remark, viewers_clock
from dashboard.panels.verdict import show_verdict

TABLES_EVERY_S = 2.0
"""Seconds between two refreshes of a table; only the banner has to be quicker."""

DEVICES_EVERY_S = 5.0
"""Seconds between two refreshes of the devices' state; devices report about every 15 s."""


def show_gate() -> None:
    """Draw the page. A failure is shown on it, with its mend."""
    try:
        connection = connect()
    except SettingsInvalid as error:
        show_failure(error)
        return
    try:
        gates = connection.client.gates()
    except DashboardError as error:
        _wait_for_recovery(connection, error)
        return
    gate = choose_gate(gates)
    if gate is None:
        return
    if st.query_params.get("screen") == "door":
        show_remark("door-moved", f"The screen at this door has the address door/{gate.id} now.")
        return
    every_s = connection.settings.refresh_s
    tables_every_s = max(every_s, TABLES_EVERY_S)
    devices_every_s = max(every_s, DEVICES_EVERY_S)
    st.fragment(show_verdict, run_every=every_s)(connection, gate)
    st.fragment(show_device_state, run_every=devices_every_s)(connection, gate)
    if connection.settings.gate_control:
        st.fragment(show_gate_control, run_every=tables_every_s)(connection, gate)
    st.subheader("Events", anchor=False)
    wanted = ask_for_events(gate, viewers_clock(connection))
    st.fragment(show_events, run_every=tables_every_s)(connection, gate, wanted)
    st.subheader("Messages", anchor=False)
    status = ask_for_status()
    st.fragment(show_messages, run_every=tables_every_s)(connection, gate, status)


def _wait_for_recovery(connection: Connection, error: DashboardError) -> None:
    """Show a failure, and draw the page as soon as the API answers again."""
    first = [error]

    def try_again() -> None:
        if first:
            show_failure(first.pop())
            return
        try:
            connection.client.gates()
        except DashboardError as still:
            show_failure(still)
        else:
            st.rerun()

    st.fragment(try_again, run_every=connection.settings.refresh_s)()
