"""Names of hosts, as people type them in the addresses of webhooks and mailboxes."""

import ipaddress
import re
from typing import Final

_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE)
"""RFC 1123 section 2.1, and the underscore, which names in private networks have."""

_LONGEST: Final = 253
"""RFC 1035 section 2.3.4: 255 octets on the wire, of which a written name lacks two."""


def is_name(host: str) -> bool:
    """Return whether `host` is a name that DNS can hold: labels and dots, in any script."""
    try:
        encoded = host.encode("idna").decode()
    except UnicodeError:
        return False
    name = encoded.removesuffix(".")
    return len(name) <= _LONGEST and all(_LABEL.fullmatch(label) for label in name.split("."))


def is_host(host: str) -> bool:
    """Return whether `host` is a name that DNS can hold, or an IP address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return is_name(host)
    return True


def is_mail_domain(domain: str) -> bool:
    """Return whether mail can be sent to a domain: two labels or more, the last not a number."""
    labels = domain.split(".")
    return len(labels) > 1 and is_name(domain) and not labels[-1].isdigit() and "_" not in domain
