"""The mark of tests that need IPv6, which some machines do without."""

import socket

import pytest


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


needs_ipv6 = pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6")
BOTH_FAMILIES = ("127.0.0.1", "[::1]")
"""This machine's own address in each, as it stands in a URL."""
