"""The sender of a request: its key, and its address.

Authentication and rate limit both read the key here, so that no spelling of a key is checked and
not counted.
"""

import ipaddress
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from starlette.datastructures import Address

from cloud.errors import KeyMissing

_BEARER: Final = re.compile(rb"(?i:bearer) +([\x21-\x7e]+) *")
"""RFC 6750 section 2.1: the scheme in any case (RFC 9110 section 11.1), spaces, and a key."""

_V6_NETWORK: Final = 64
"""Bits of an IPv6 address that say whose it is: one subscriber has all that follow (RFC 6177)."""

Headers = Iterable[tuple[bytes, bytes]]


def bearer(headers: Headers) -> str | None:
    """Return the key that a request came with, or None where it has no Authorization.

    Raises:
        KeyMissing: there are several such fields, or what is there is no bearer key.
    """
    found = [value for name, value in headers if name == b"authorization"]
    if not found:
        return None
    if len(found) > 1:
        raise KeyMissing("send one Authorization field, and not several")
    key = _BEARER.fullmatch(found[0])
    if key is None:
        raise KeyMissing("send `Authorization: Bearer mg_…`")
    return key[1].decode()


def address_of(client: Address | tuple[str, int] | None) -> str:
    """Return what a client's requests are counted under: its address, or its network in IPv6."""
    return "unknown" if client is None else network(client[0])


@lru_cache(maxsize=10_000)
def network(address: str) -> str:
    """Return an IPv4 address as it is, and the network of /64 of an IPv6 address.

    What is no address, such as what a proxy may say of its clients, is returned as it is.
    """
    if ":" not in address:
        return address
    try:
        read = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if read.ipv4_mapped is not None:
        return str(read.ipv4_mapped)
    return str(ipaddress.IPv6Network((read, _V6_NETWORK), strict=False))
