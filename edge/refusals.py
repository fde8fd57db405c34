"""Lines of FFmpeg that say why a network camera cannot be opened, in words that help."""

import re
from typing import Final

LOGIN_MEND: Final = (
    "Correct the user name and the password in the camera's address (EDGE_SOURCE), and"
    " percent-encode reserved characters; some cameras lock a login for minutes after wrong tries"
)

_LOGIN_REFUSED: Final = re.compile(r"\b401\b\W*Unauthorized")


def is_login_refused(text: str) -> bool:
    """Return whether a line says that the camera does not accept the login (RFC 2326, 401)."""
    return _LOGIN_REFUSED.search(text) is not None
