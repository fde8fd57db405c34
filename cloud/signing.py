"""Signing of passes, so that doors can check them while the cloud is away."""

from datetime import datetime
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import SecretStr

from cloud.contract.signed_passes import PassClaim, SignedPass, from_base64url, to_base64url


class PassSigner:
    """Signs passes with the installation's Ed25519 key (RFC 8032).

    Args:
        key: The private key.
    """

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def generate(cls) -> Self:
        """Return a signer with a new random key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def of_setting(cls, key: SecretStr | None) -> Self | None:
        """Return the signer of a setting that is valid; None where passes are not signed."""
        if key is None:
            return None
        return cls(Ed25519PrivateKey.from_private_bytes(from_base64url(key.get_secret_value())))

    @property
    def private_text(self) -> str:
        """The private key as text, for CLOUD_PASS_SIGNING_KEY."""
        return to_base64url(self._key.private_bytes_raw())

    @property
    def public_text(self) -> str:
        """The public key as text, for EDGE_DOOR_PUBLIC_KEYS."""
        return to_base64url(self._key.public_key().public_bytes_raw())

    def sign(self, token: str, gate: str, expires_at: datetime) -> SignedPass:
        """Sign a pass.

        Args:
            token: The pass's token.
            gate: The gate that the pass opens.
            expires_at: When the pass expires. The signed expiry is rounded down to a second.

        Returns:
            The claim with its signature.
        """
        claim = PassClaim(token, gate, int(expires_at.timestamp()))
        return SignedPass(claim, self._key.sign(claim.message))
