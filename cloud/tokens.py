"""Tokens of passes: made, and found in what scanners read and people paste."""

import re
import secrets
from typing import Final
from urllib.parse import urlsplit

from cloud.contract.passes import TOKEN_ALPHABET, TOKEN_LENGTH

_LETTERS: Final = frozenset(TOKEN_ALPHABET)
_GAPS: Final = re.compile(r"[\s\x00-\x1f\x7f\ufeff]+")
_LINES: Final = re.compile(r"[\r\n\t\x00-\x1f\x7f\ufeff]+")
_AROUND_ADDRESSES: Final = "<>()[]\"'.,;!"
_SIGNATURE: Final = re.compile(r"#[a-z0-9-]+\.[0-9]+\.[A-Za-z0-9_-]+$")
"""What follows the token of a signed pass (`cloud.contract.signed_passes`)."""

_KIND_OF_CODE: Final = re.compile(r"^\][A-Za-z][0-9A-Za-z]")
"""What a scanner may send before the text: `]Q1` for a QR code (ISO/IEC 15424 section 4)."""


def new_token() -> str:
    """Return 13 random letters of the alphabet: about 76 bits."""
    return "".join(secrets.choice(TOKEN_ALPHABET) for _ in range(TOKEN_LENGTH))


def token_in(scanned: str) -> str | None:
    """Return the one token that a scanner's text holds; None where it holds none, or several.

    An attempt is about one person, so nothing is chosen where a text holds several tokens.
    """
    found = tokens_in(scanned)
    return found[0] if len(found) == 1 else None


def token_or_text(scanned: str) -> str:
    """Return what an attempt is about: the token, or the text where it holds none.

    Such a text is looked up like a token, and is as unknown as one that was never made: so it is
    an attempt like any other.
    """
    return token_in(scanned) or scanned


def tokens_in(scanned: str) -> list[str]:
    """Return the tokens that a scanner's text holds, each once: bare, or in `…/p/<token>`.

    Most texts are a token or an address and nothing else. Some scanners send more: a prefix that
    names the kind of code (ISO/IEC 15424), control characters, or several codes in lines of their
    own; and people paste an address with words around it. In a text of several words a token
    counts in an address, or alone in its line, since ordinary words have 13 letters too.

    The host is not compared: codes stay good when the public address changes, and what admits is
    the token alone.
    """
    text = scanned.strip()
    if _is_token(bare := _SIGNATURE.sub("", text)):
        return [bare]
    words = _GAPS.split(text)
    found = [token for word in words if (token := _token_of_address(word)) is not None]
    if not found:
        lines = (_KIND_OF_CODE.sub("", line.strip()) for line in _LINES.split(text))
        bare_lines = (_SIGNATURE.sub("", line) for line in lines)
        found = [line for line in bare_lines if _is_token(line)]
    return list(dict.fromkeys(found))


def _token_of_address(word: str) -> str | None:
    try:
        parts = urlsplit(_KIND_OF_CODE.sub("", word).strip(_AROUND_ADDRESSES))
    except ValueError:
        return None
    if parts.scheme.lower() not in {"http", "https"}:
        return None
    head, _, token = parts.path.rstrip("/").rpartition("/")
    return token if head.endswith("/p") and _is_token(token) else None


def _is_token(text: str) -> bool:
    return len(text) == TOKEN_LENGTH and _LETTERS.issuperset(text)
