"""Signed codes for tests, and the key that signed them."""

from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloud.contract.signed_passes import PassClaim, SignedPass, to_base64url

TOKEN = "7Kq2mXw9RtB4z"
OTHER_TOKEN = "8Lr3nYx2SuC5a"
GATE = "main"
NOW = datetime(2026, 3, 2, 8, 15, tzinfo=UTC)

_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC_KEY = to_base64url(_KEY.public_key().public_bytes_raw())
OTHER_PUBLIC_KEY = to_base64url(
    Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))).public_key().public_bytes_raw()
)


def code(token: str = TOKEN, gate: str = GATE, good_for: timedelta = timedelta(minutes=5)) -> str:
    """Return the text of a code that is good for so long from NOW on."""
    claim = PassClaim(token, gate, int((NOW + good_for).timestamp()))
    signed = SignedPass(claim, _KEY.sign(claim.message))
    return f"https://gate.example.org/p/{token}{signed.suffix}"
