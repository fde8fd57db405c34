"""Text that people type and other people read: names, reasons, addresses.

Text that looks like other text, or like nothing, is refused: one gate could be mistaken for
another. Refused are control characters and line breaks, characters that change the direction of
writing (Unicode Bidirectional Algorithm, UAX #9), invisible characters, blanks that are no spaces,
and code points without a public meaning (private use, surrogates, unassigned). Some characters
are invisible and needed: the joiners U+200C and U+200D are taken inside of words of the scripts
that need them (RFC 5892 appendix A), U+200D between emoji, and a variation selector after what has
variants. Flags of regions (England, Texas) are refused, since their code points are invisible. All
text is kept in Unicode's form NFC.
"""

import unicodedata
from typing import Annotated, Final

from pydantic import AfterValidator, StringConstraints

_LINE_BREAKING: Final = frozenset({"Cc", "Zl", "Zp"})
_MEANINGLESS: Final = frozenset({"Co", "Cs", "Cn"})

_BLANKS: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800\u17b4\u17b5\u034f")
"""Letters, marks and symbols without a visible shape (Hangul fillers, the empty Braille pattern,
inherent Khmer vowels, the combining grapheme joiner)."""

_NON_JOINER: Final = "\u200c"
_JOINER: Final = "\u200d"
_PRINTED_FORMATS: Final = frozenset(
    "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2"
)
"""Signs around numbers in Arabic and Syriac: visible, although of the category of formats."""

_KEYCAPS: Final = frozenset("0123456789#*")

_SCRIPTS_WITH_JOINERS: Final = frozenset(
    {
        "ARABIC",
        "SYRIAC",
        "MONGOLIAN",
        "NKO",
        "DEVANAGARI",
        "BENGALI",
        "GURMUKHI",
        "GUJARATI",
        "ORIYA",
        "TAMIL",
        "TELUGU",
        "KANNADA",
        "MALAYALAM",
        "SINHALA",
        "KHMER",
        "MYANMAR",
        "TIBETAN",
    }
)
"""First words of the Unicode names of these scripts' letters and marks."""


def readable(text: str) -> str:
    """Return `text` in Unicode's form NFC.

    Args:
        text: as a person typed it.

    Returns:
        The text.

    Raises:
        ValueError: the text holds an invisible character, or nothing but blanks.
    """
    composed = unicodedata.normalize("NFC", text)
    if composed.isascii():
        if not composed.isprintable():
            raise ValueError("this text holds a control character or a line break; leave it out")
        return composed
    seen = False
    for place, letter in enumerate(composed):
        category = unicodedata.category(letter)
        if category in _LINE_BREAKING:
            raise ValueError("this text holds a control character or a line break; leave it out")
        if letter in _BLANKS or category in _MEANINGLESS:
            raise ValueError(
                f"this text holds U+{ord(letter):04X}, which has no shape; leave it out"
            )
        invisible = category == "Cf" or _is_variation_selector(letter)
        if invisible and not _is_needed(composed, place):
            raise ValueError(
                f"this text holds U+{ord(letter):04X}, which is invisible or changes the direction "
                "of writing; leave it out"
            )
        seen = seen or category[0] not in "CMZ"
    if composed and not seen:
        raise ValueError("this text holds no letter that can be seen")
    return composed


def _is_needed(text: str, place: int) -> bool:
    letter = text[place]
    if letter in _PRINTED_FORMATS:
        return True
    if place == 0:
        return False
    before, after = text[place - 1], text[place + 1 : place + 2]
    if _is_variation_selector(letter):
        # Emoji, keycaps such as 1️⃣, ideographs and Mongolian letters have variants (UTS #37, #51).
        return _is_pictured(before) or before in _KEYCAPS or unicodedata.category(before) == "Lo"
    if letter not in {_NON_JOINER, _JOINER}:
        return False
    if _joins(before):
        # A half letter of an Indic script may end a word; then the joiner follows the virama.
        return unicodedata.combining(before) == 9 or (bool(after) and _joins(after))
    return letter == _JOINER and _is_pictured(before) and bool(after) and _is_pictured(after)


def _is_variation_selector(letter: str) -> bool:
    return "VARIATION SELECTOR" in unicodedata.name(letter, "")


def _joins(letter: str) -> bool:
    return unicodedata.name(letter, "").partition(" ")[0] in _SCRIPTS_WITH_JOINERS


def _is_pictured(letter: str) -> bool:
    """Return whether this is a part of an emoji; U+FE0F asks for its coloured form (UTS #51)."""
    return letter == "\ufe0f" or unicodedata.category(letter)[0] == "S"


def _unbroken(text: str) -> str:
    if any(unicodedata.category(letter) in _LINE_BREAKING for letter in text):
        raise ValueError("this text holds a control character or a line break; leave it out")
    return text


Readable = AfterValidator(readable)
"""Accepts text by `readable`."""

Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80), Readable
]
"""The name of a gate, a key or a device, for people."""

KeptName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=80),
    AfterValidator(_unbroken),
]
"""A kept name: earlier versions accepted names that `Name` refuses."""

Reason = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500), Readable]
"""A reason for the audit trail, in one line; may be empty."""
