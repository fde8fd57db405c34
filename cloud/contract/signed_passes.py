"""Signed passes: a QR code proves its pass to a door that cannot reach the cloud.

The code's text ends in `#<gate>.<expiry>.<signature>`. The expiry is in seconds since 1970, and the
signature is an Ed25519 signature (RFC 8032) in base64url without padding (RFC 4648 section 5). The
cloud signs, and a door verifies. Readers of codes without signatures ignore what follows the `#`.
"""

import base64
import binascii
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Self

from cloud.contract.passes import TOKEN_ALPHABET, TOKEN_LENGTH

SIGNATURE_BYTES: Final = 64
"""Length of a signature (RFC 8032 section 5.1.6)."""

KEY_BYTES: Final = 32
"""Length of a private key and of a public key (RFC 8032 section 5.1.5)."""

_CONTEXT: Final = b"maskgate pass v1"
"""Begins each signed message, so that a signature is good for nothing else."""

_SIGNED: Final = re.compile(
    rf"(?:^|/p/)(?P<token>[{TOKEN_ALPHABET}]{{{TOKEN_LENGTH}}})"
    r"#(?P<gate>[a-z0-9][a-z0-9-]{0,62})\.(?P<expiry>[0-9]{1,12})\.(?P<signature>[A-Za-z0-9_-]{86})$"
)


@dataclass(frozen=True, slots=True)
class PassClaim:
    """What a signature vouches for.

    Attributes:
        token: The pass's token.
        gate: The gate that the pass opens.
        expiry: When the pass expires, in seconds since 1970.
    """

    token: str = field(repr=False)
    gate: str
    expiry: int

    @property
    def message(self) -> bytes:
        """The bytes that are signed."""
        return b"\0".join(
            (_CONTEXT, self.token.encode(), self.gate.encode(), str(self.expiry).encode())
        )

    @property
    def expires_at(self) -> datetime:
        """When the pass expires."""
        return datetime.fromtimestamp(self.expiry, UTC)


@dataclass(frozen=True, slots=True)
class SignedPass:
    """A claim with its signature, which may be false.

    Attributes:
        claim: What the signature vouches for.
        signature: The 64 bytes of the signature.
    """

    claim: PassClaim
    signature: bytes = field(repr=False)

    @property
    def suffix(self) -> str:
        """What follows the token in the code: `#<gate>.<expiry>.<signature>`."""
        return f"#{self.claim.gate}.{self.claim.expiry}.{to_base64url(self.signature)}"

    @classmethod
    def read(cls, scanned: str) -> Self | None:
        """Read the text of a code.

        Args:
            scanned: What a scanner read.

        Returns:
            The claim and its signature, which nobody has verified yet; None for a code without a
            signature.
        """
        found = _SIGNED.search(scanned.strip())
        if found is None:
            return None
        claim = PassClaim(found["token"], found["gate"], int(found["expiry"]))
        return cls(claim, from_base64url(found["signature"], SIGNATURE_BYTES))


def to_base64url(value: bytes) -> str:
    """Return bytes as base64url without padding (RFC 4648 section 5)."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def from_base64url(text: str, length: int = KEY_BYTES) -> bytes:
    """Return the bytes of a key or signature.

    Args:
        text: In base64url, with or without padding.
        length: How many bytes the text must hold.

    Returns:
        The bytes.

    Raises:
        ValueError: The text is not base64url, or holds another number of bytes.
    """
    stripped = text.strip().rstrip("=")
    try:
        value = base64.b64decode(stripped + "=" * (-len(stripped) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        value = b""
    if len(value) != length:
        raise ValueError(f"it is not {length} bytes in base64url")
    return value
