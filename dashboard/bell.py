"""The bell: a beep for each new refusal, and the sign that the page is live.

Both are the browser's business, so they are one small component. A refresh is no new refusal: the
component remembers, for as long as the tab lives, which one it rang for last.
"""

import base64
import io
import math
import struct
import wave
from functools import cache
from pathlib import Path
from uuid import UUID

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer

SAMPLE_RATE = 8000
"""Samples per second: a beep of under 4 kHz needs no more."""

_PITCH_HZ = 880.0
_PULSES_S = ((0.0, 0.18), (0.26, 0.44))
_FADE_S = 0.01
_LOUDNESS = 0.6

_ASSETS = Path(__file__).parent / "templates"


def beep() -> bytes:
    """Two short tones as a WAV file: 8 kHz, mono, 16 bits, about half a second."""
    end_s = _PULSES_S[-1][1]
    samples = (_sample(index / SAMPLE_RATE) for index in range(int(end_s * SAMPLE_RATE)))
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(SAMPLE_RATE)
        sound.writeframes(b"".join(struct.pack("<h", round(s * 32767)) for s in samples))
    return file.getvalue()


def _sample(at_s: float) -> float:
    for start_s, end_s in _PULSES_S:
        if start_s <= at_s < end_s:
            fade = min(1.0, (at_s - start_s) / _FADE_S, (end_s - at_s) / _FADE_S)
            return _LOUDNESS * fade * math.sin(2 * math.pi * _PITCH_HZ * at_s)
    return 0.0


def show_bell(*, refusal: UUID | None, pulse: str, answered_at: str, troubled: bool) -> None:
    """Mount the bell, or tell the one that is there.

    `refusal` is the event refused right now; `pulse` differs at every refresh; `answered_at` is
    when the cloud last answered, in words, and `troubled` whether it fails to right now.
    """
    _bell()(
        key="bell",
        data={
            "refusal": str(refusal or ""),
            "pulse": pulse,
            "answeredAt": answered_at,
            "troubled": troubled,
        },
    )


@cache
def _bell() -> ComponentRenderer:
    sound = base64.b64encode(beep()).decode()
    markup, style, script = (
        (_ASSETS / f"bell.{kind}").read_text("utf-8") for kind in ("html", "css", "js")
    )
    return st.components.v2.component(
        "maskgate_bell",
        html=f'{markup}<audio src="data:audio/wav;base64,{sound}"></audio>',
        css=style,
        js=script,
    )
