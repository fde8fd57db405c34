"""The panel of the gate's last verdict: the banner, the QR code of its pass, and the beep."""

import base64
from datetime import UTC, datetime, timedelta

import streamlit as st

from cloud.contract import Gate
from dashboard.client import Client
from dashboard.connection import Connection
from dashboard.errors import ApiRefused, DashboardError
from dashboard.markup import render
from dashboard.panels.remarks import show_failure, viewers_clock
from dashboard.panels.status_bar import show_status_bar
from dashboard.wording.banner import Banner, banner_for, closed_banner


def show_verdict(connection: Connection, gate: Gate) -> None:
    """Draw the banner of a gate.

    Args:
        connection: The settings and the client of the API.
        gate: The gate.
    """
    settings, client = connection.settings, connection.client
    banner = None
    try:
        closed = client.gate(gate.id).closed
        newest = client.newest_event(gate.id)
        clock = viewers_clock(connection)
        st.session_state["answered_at"] = clock.at(client.now())
        if closed:
            banner = closed_banner(newest, clock)
        else:
            banner = banner_for(newest, clock, timedelta(seconds=settings.verdict_shown_s))
        qr, qr_missing = _qr_code(client, banner)
        st.html(
            render(
                "banner",
                banner=banner,
                gate=gate.name,
                qr=qr,
                qr_missing=qr_missing,
            )
        )
    except DashboardError as error:
        banner = None
        show_failure(error)
    show_status_bar(
        refusal=banner.refusal if banner else None,
        refreshed_at=datetime.now(UTC).isoformat(),
        answered_at=st.session_state.get("answered_at", ""),
        failing=banner is None,
    )


def _qr_code(client: Client, banner: Banner) -> tuple[str | None, DashboardError | None]:
    """Return the banner's QR code, which is kept for this viewer while its pass is valid.

    Args:
        client: The client of the API.
        banner: The banner that says which pass's code is shown.

    Returns:
        The code as a PNG in base64, or the reason why there is none.
    """
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
