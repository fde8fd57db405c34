"""The choice of the gate: by the page's address, or in the box at the top of the page."""

from collections.abc import Sequence

import streamlit as st

from cloud.client import Unread
from cloud.contract import Gate
from dashboard.errors import GateUnknown
from dashboard.panels.remarks import show_failure, show_remark


def choose_gate(gates: Sequence[Gate | Unread]) -> Gate | None:
    """Draw the box, and return the gate that is chosen.

    Args:
        gates: The gates that the key may read.

    Returns:
        The gate that the address names, or that is chosen in the box; None while neither is so.
    """
    known = {gate.id: gate for gate in gates if isinstance(gate, Gate)}
    for gate in gates:
        if isinstance(gate, Unread):
            words = f"The gate {gate.text('id')} cannot be shown: this dashboard does not know "
            show_remark("gates-unread", f"{words}{gate.why}. Update the dashboard.", "bad")
    named = st.query_params.get("gate")
    if not gates:
        show_failure(
            GateUnknown(
                "The cloud has no gate yet, or none that this key may see.",
                "Make one with: python -m cloud gates create main --name 'Main entrance'; "
                "then load this page again.",
            )
        )
        return None
    if named is not None and named not in known:
        show_failure(
            GateUnknown(
                f"The address of this page asks for the gate '{named}'.",
                f"Choose a gate below. This key sees: {', '.join(sorted(known))}.",
            )
        )
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
            st.rerun()  # the panels above were drawn for the gate before
    return known[chosen]
