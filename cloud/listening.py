"""The address that a server listens on, in the form that each server takes it."""

from typing import Final

EVERYWHERE: Final = "::"
"""Every address of the machine, of IPv6 and of IPv4."""


def host_of_both_families(host: str) -> str:
    """Return a host for asyncio's or Tornado's servers, to which ``::`` means IPv6 and IPv4.

    Both servers set IPV6_V6ONLY on each socket of IPv6, so a socket at ``::`` would not accept
    IPv4. For an empty host they open one socket for each family that the machine has.

    Args:
        host: An address or a name, as CLOUD_HOST has it.

    Returns:
        The empty host for ``::``; any other host as it is.
    """
    return "" if host == EVERYWHERE else host
