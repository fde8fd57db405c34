"""The bar under the banner: it beeps for each new refusal, and it says whether the page is live.

Only the browser can do both, so the bar is a small component of Streamlit. The component keeps, for
as long as the tab lives, the refusal that it beeped for last: a refresh is no new refusal.
"""

import base64
import io
import math
import struct
import wave
from functools import cache
from uuid import UUID

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer

from dashboard.markup import TEMPLATES

SAMPLE_RATE = 8000
"""Samples per second: a beep of less than 4 kHz needs no more (the Nyquist rate)."""

_PITCH_HZ = 880.0
_TONES_S = ((0.0, 0.18), (0.26, 0.44))
"""The beginning and the end of each tone, in seconds."""
_FADE_S = 0.01
_LOUDNESS = 0.6
"""The share of the largest amplitude."""


def beep() -> bytes:
    """Return two short tones as a WAV file: 8 kHz, mono, 16 bits, about half a second."""
    end_s = _TONES_S[-1][1]
    samples = (_sample(index / SAMPLE_RATE) for index in range(int(end_s * SAMPLE_RATE)))
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(SAMPLE_RATE)
        sound.writeframes(b"".join(struct.pack("<h", round(s * 32767)) for s in samples))
    return file.getvalue()


def _sample(at_s: float) -> float:
    """Return the amplitude at a time, from -1 to 1."""
    for start_s, end_s in _TONES_S:
        if start_s <= at_s < end_s:
            fade = min(1.0, (at_s - start_s) / _FADE_S, (end_s - at_s) / _FADE_S)
            return _LOUDNESS * fade * math.sin(2 * math.pi * _PITCH_HZ * at_s)
    return 0.0


def show_status_bar(
    *, refusal: UUID | None, refreshed_at: str, answered_at: str, failing: bool
) -> None:
    """Draw the bar, or refresh the one that is there.

    Args:
        refusal: The event that is refused right now; None where there is none.
        refreshed_at: The time of this refresh; it differs at every refresh.
        answered_at: When the cloud last answered, as the viewer's clock shows it.
        failing: Whether the cloud fails to answer right now.
    """
    _component()(
        key="status_bar",
        data={
            "refusal": str(refusal or ""),
            "refreshedAt": refreshed_at,
            "answeredAt": answered_at,
            "failing": failing,
        },
    )


@cache
def _component() -> ComponentRenderer:
    sound = base64.b64encode(beep()).decode()
    markup, style, script = (
        (TEMPLATES / f"status_bar.{kind}").read_text("utf-8") for kind in ("html", "css", "js")
    )
    return st.components.v2.component(
        "maskgate_status_bar",
        html=f'{markup}<audio src="data:audio/wav;base64,{sound}"></audio>',
        css=style,
        js=script,
    )
