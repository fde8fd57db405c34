"""Addresses are shown without their logins, whatever these hold."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.redaction.addresses import Address, redacted, redacted_in

HOSTS = ["10.255.1.1", "camera.example:554", "[::1]", "[fe80::1%eth0]:8554"]

PIECES = st.text(alphabet=string.ascii_letters + "0123456789$!*+,", min_size=6, max_size=12).map(
    lambda text: f"Zq{text}"
)
"""What cannot stand in our own words by chance."""


@st.composite
def passwords(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A password of pieces between reserved characters, and the pieces."""
    pieces = draw(st.lists(PIECES, min_size=1, max_size=4))
    cuts = draw(
        st.lists(
            st.text(alphabet="#/?@:[]% &='\"\\;%", min_size=1, max_size=3),
            min_size=len(pieces) - 1,
            max_size=len(pieces) - 1,
        )
    )
    written = pieces[0] + "".join(cut + piece for cut, piece in zip(cuts, pieces[1:], strict=True))
    return written, pieces


@given(
    secret=passwords(),
    scheme=st.sampled_from(["rtsp", "RTSP", "rtsps", "http", "HTTPS", "redis", "ftp"]),
    user=st.sampled_from(["", "admin", "ad min", "a@b"]),
    host=st.sampled_from(HOSTS),
    tail=st.sampled_from(["", "/", "/1", "/live?channel=1", "/@", "/a@b"]),
)
def test_no_piece_of_a_password_is_shown(
    secret: tuple[str, list[str]], scheme: str, user: str, host: str, tail: str
) -> None:
    password, pieces = secret
    address = f"{scheme}://{user}:{password}@{host}{tail}"
    for shown in (redacted(address), redacted_in(f"camera ({address}) is away")):
        assert not [piece for piece in pieces if piece in shown]
        assert f"{scheme.lower()}://…" in shown


@given(
    secret=passwords(),
    name=st.sampled_from(["password", "pwd", "token", "auth", "x", "loginpas"]),
    start=st.sampled_from(["/video?user=admin&", "/?channel=1&", "?", "/user=admin&", "/"]),
)
def test_no_piece_of_a_secret_parameter_is_shown(
    secret: tuple[str, list[str]], name: str, start: str
) -> None:
    password, pieces = secret
    shown = redacted(f"http://camera.example{start}{name}={password}&resolution=640x480")
    assert not [piece for piece in pieces if piece in shown]
    assert shown.startswith("http://camera.example" if "@" not in password else "http://…")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://admin:S3cr#t$x@10.255.1.1:554/1", "rtsp://…@10.255.1.1:554/1"),
        ("rtsp://admin:p[w@[::1]:9/1?channel=1&subtype=0", "rtsp://…@[::1]:9/1?channel=1&subtype=0"),
        ("rtsp://admin:pw@[fe80::1/1", "rtsp://…@…"),
        ("rtsp://admin:S3cret", "rtsp://…"),
        ("rtsp:/admin:pw@camera", "rtsp://…@camera"),
        ("admin:pw@camera:554/1", "…@camera:554/1"),
        ('"rtsp://admin:pw@camera/1"', '…@camera/1"'),
        ("http://camera/v?user=admin&password=x#y&fps=5", "http://camera/v?user=…&password=…#…"),
        ("rtsp://camera/user=admin&password=pw_1&stream=0.sdp?real_stream",
         "rtsp://camera/user=…?real_stream"),
        ("http://camera/v?user=admin&password=p;w=p&fps=5", "http://camera/v?user=…&password=…&…&fps=5"),
        ("rtsp://camera/user=admin&password=pw?wp&fps=5", "rtsp://camera/user=…?…&fps=5"),
        ("rtsp://camera:554/live/1?channel=2", "rtsp://camera:554/live/1?channel=2"),
        ("/pictures/12:30@door.mp4", "/pictures/12:30@door.mp4"),
        ("clip.mp4", "clip.mp4"),
    ],
)  # fmt: skip
def test_what_is_shown_of_an_address(address: str, shown: str) -> None:
    assert redacted(address) == shown
    assert redacted(shown) == shown


@given(secret=passwords(), host=st.sampled_from(HOSTS))
def test_an_encoded_login_needs_no_advice_and_is_the_same_login(
    secret: tuple[str, list[str]], host: str
) -> None:
    address = Address.cut(f"rtsp://admin:{secret[0]}@{host}/1")
    assert address is not None
    if not address.is_clear:
        # What stands before another `@` may be the login, and what follows it the host.
        assert "@" in secret[0]
        assert address.encoded() == f"rtsp://admin:{secret[0]}@{host}/1"
        return
    again = Address.cut(address.encoded())
    assert again is not None
    assert again.is_encoded
    assert again.rest == f"{host}/1"
    assert again.encoded() == address.encoded()


@pytest.mark.parametrize(
    ("address", "encoded"),
    [
        ("rtsp://admin:S3cr#t$x@camera/1", "rtsp://admin:S3cr%23t%24x@camera/1"),
        ("RTSP://:a/b?c@camera", "rtsp://:a%2Fb%3Fc@camera"),
        ("rtsp://admin:100%@camera", "rtsp://admin:100%25@camera"),
        ("rtsp://admin:a%23b@camera", "rtsp://admin:a%23b@camera"),
        ("rtsp://admin:#x@camera", "rtsp://admin:%23x@camera"),
        # The host may be `10.0.0.5` and the path `/live@main`, or the login `10.0.0.5:554/live`.
        ("rtsp://10.0.0.5:554/live@main", "rtsp://10.0.0.5:554/live@main"),
        ("rtsp://camera/1", "rtsp://camera/1"),
    ],
)
def test_a_login_is_encoded_where_the_address_can_be_read_in_one_way(
    address: str, encoded: str
) -> None:
    cut = Address.cut(address)
    assert cut is not None
    assert cut.encoded() == encoded


@pytest.mark.parametrize("text", ["serial:/dev/ttyUSB0", "the reader serial:/dev/ttyUSB0: gone"])
def test_a_device_file_is_no_address(text: str) -> None:
    assert redacted_in(text) == text
