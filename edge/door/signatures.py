"""Signatures of passes: verified with the cloud's public keys."""

from collections.abc import Iterable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cloud.contract.signed_passes import PassClaim, SignedPass, from_base64url


class PassVerifier:
    """Verifies passes (Ed25519, RFC 8032).

    Args:
        public_keys: In base64url. Any of them may have signed: a new key comes before the last
            pass of the old key has expired.
    """

    def __init__(self, public_keys: Iterable[str]) -> None:
        self._keys = [
            Ed25519PublicKey.from_public_bytes(from_base64url(key)) for key in public_keys
        ]

    def claim_of(self, scanned: str) -> PassClaim | None:
        """Return what a code proves; None for a code without a good signature."""
        signed = SignedPass.read(scanned)
        if signed is None:
            return None
        for key in self._keys:
            try:
                key.verify(signed.signature, signed.claim.message)
            except InvalidSignature:
                continue
            return signed.claim
        return None
