"""Whatever a library writes, a secret of this process is redacted in it."""

import base64
import re
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.redaction.secrets import KNOWN, Secrets, without_secrets
from tests.edge.redaction.test_addresses import passwords


@given(
    secret=passwords(),
    form=st.sampled_from(
        ["{raw}", "{quoted}", "tcp://admin:{raw}?timeout=0", "rtsp://admin:{quoted}@h", "{basic}"]
    ),
)
def test_every_form_of_a_password_is_redacted(secret: tuple[str, list[str]], form: str) -> None:
    password, pieces = secret
    secrets = Secrets([f"rtsp://admin:{password}@camera.example/1"])
    text = form.format(
        raw=password,
        quoted=quote(password, safe=""),
        basic=base64.b64encode(f"admin:{password}".encode()).decode(),
    )
    redacted = secrets.redacted(f"[rtsp @ 0x1] {text} failed")
    assert not [piece for piece in pieces if piece in redacted]
    assert base64.b64encode(f"admin:{password}".encode()).decode() not in redacted
    assert redacted.startswith("[rtsp @ 0x1] ")


@given(secret=passwords())
def test_a_piece_that_ffmpeg_takes_for_a_host_is_redacted(secret: tuple[str, list[str]]) -> None:
    password, _ = secret
    secrets = Secrets([f"rtsp://admin:{password}@camera.example/1"])
    for piece in re.split(r"[/?#@\[\]: ]", password):
        assert "Zq" not in secrets.redacted(f"Failed to resolve hostname {piece}")


def test_a_short_password_is_redacted_beside_its_user_only() -> None:
    secrets = Secrets(["rtsp://admin:a@camera.example/1"])
    assert secrets.redacted("admin:a@camera has a fault") == "…camera has a fault"


def test_a_secret_parameter_is_redacted() -> None:
    secrets = Secrets(["http://camera/v?user=opera1&password=S3cr&resolution=640x480"])
    assert secrets.redacted("GET /v?user=opera1&password=S3cr&resolution=640x480") == (
        "GET /v?user=…&password=…&resolution=640x480"
    )


def test_a_line_of_the_log_is_gone_through_and_its_name_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(KNOWN, "_forms", [])
    KNOWN.add(Secrets(["rtsp://admin:camera@h/1"]))
    line = {"event": "camera_away", "error": "camera", "all": [{"x": "admin:camera"}], "n": 3}
    assert without_secrets(None, "info", line) == {
        "event": "camera_away",
        "error": "…",
        "all": [{"x": "…"}],
        "n": 3,
    }
    assert (
        without_secrets(None, "info", {"event": "the camera is away"})["event"] == "the … is away"
    )
