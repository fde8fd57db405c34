import pytest

from edge.refusals import is_login_refused


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        ("rtsp: method DESCRIBE failed: 401 (Unauthorized)", True),
        ("http: HTTP error 401 Unauthorized", True),
        ("rtsp: method DESCRIBE failed: 404 (Not Found)", False),
        ("tcp: Connection to tcp://10.0.0.5:401 failed: Connection refused", False),
    ],
)
def test_a_refused_login_is_known_by_ffmpegs_line(line: str, refused: bool) -> None:
    assert is_login_refused(line) is refused
