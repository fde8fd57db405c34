"""Tokens' hashes: a token is found by its hash, and not kept there."""

import hashlib


def sha256_of(token: str) -> str:
    """Return the hash by which a token is looked up.

    A fast hash is enough: a token is 76 random bits, so there is no dictionary of tokens.

    Args:
        token: the token.

    Returns:
        Its SHA-256 in hexadecimal digits.
    """
    return hashlib.sha256(token.encode()).hexdigest()
