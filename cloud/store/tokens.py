"""How a token is found without being kept."""

import hashlib


def sha256_of(token: str) -> str:
    """Return the name under which a token is looked up.

    A fast hash is right for it: a token is 76 random bits, so there is no dictionary to try.
    """
    return hashlib.sha256(token.encode()).hexdigest()
