"""The panel that closes the gate and opens it again."""

import streamlit as st

from cloud.contract import Gate
from dashboard.connection import Connection
from dashboard.errors import DashboardError
from dashboard.panels.remarks import show_remark


def show_gate_control(connection: Connection, gate: Gate) -> None:
    """Draw the button and the field of its reason; a refusal of the cloud is shown below them."""
    try:
        closed = connection.client.gate(gate.id).closed
    except DashboardError as error:
        words = f"Whether the gate is closed is not known. {error.title}: {error.what}"
        show_remark("control-unknown", words, "bad")
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
            show_remark("control-failed", f"{error.title}: {error.what} {error.mend}", "bad")
            return
        st.rerun()
