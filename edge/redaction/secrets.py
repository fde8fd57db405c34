"""The secrets that this process knows. They are redacted in all output."""

import base64
import re
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, Final
from urllib.parse import quote, quote_plus, unquote

from edge.redaction.addresses import REDACTED, Address, encoded, parameters_in, redacted

_LEAST_PIECE: Final = 4
"""A shorter piece of a secret also occurs in other words, and redacting those would reveal it."""


class Secrets:
    """Secrets, in every form in which a library may repeat them.

    Args:
        addresses: Their logins and parameters are secret.
        words: Are secret themselves, such as an enrolment code.
    """

    def __init__(self, addresses: Iterable[str] = (), words: Iterable[str] = ()) -> None:
        self._forms: list[str] = []
        for text in addresses:
            self._add_forms(_secrets_in(text))
        for word in words:
            self._add_forms(_forms(word))

    def add(self, others: "Secrets") -> None:
        """Add the secrets of another set."""
        self._add_forms(others._forms)

    def _add_forms(self, forms: Iterable[str]) -> None:
        # The longest first, because a form may contain another.
        known = {*self._forms, *forms}
        self._forms = sorted(known, key=lambda form: (-len(form), form))

    def redacted(self, text: str) -> str:
        """Return the text with every secret replaced."""
        for form in self._forms:
            text = text.replace(form, REDACTED)
        return text

    def redacted_in_value(self, value: object) -> object:
        """Return a value of a log line with every secret replaced, in lists and mappings too."""
        if isinstance(value, str):
            return self.redacted(value)
        if isinstance(value, Mapping):
            return {key: self.redacted_in_value(each) for key, each in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.redacted_in_value(each) for each in value]
        if value is None or isinstance(value, bool | int | float):
            return value
        return self.redacted(str(value))

    def __repr__(self) -> str:
        return f"Secrets({len(self._forms)} forms)"


def _secrets_in(text: str) -> set[str]:
    address = Address.cut(text)
    forms: set[str] = set()
    login, rest = (address.login, address.rest) if address else (None, "")
    if address is None and redacted(text) != text:
        login, _, rest = text.rpartition("@")
    if login:
        user, colon, password = login.partition(":")
        # A login without a colon may be a token.
        forms |= _forms(password if colon else login)
        forms |= {form for form in _whole_forms(login) if len(form) >= _LEAST_PIECE}
        if password:
            forms.add(f"{user}:{password}@")
        for at in (found.start() for found in re.finditer(r"[/?#@\[\]:%\s]", login)):
            # FFmpeg takes the text before such a character for a host, and repeats it in an error.
            if ":" in login[:at] and not login[:at].endswith(":"):
                forms.add(login[:at])
    tail = re.split(r"[/?#]", rest, maxsplit=1)[1:]
    hidden = (text for part in tail for text, shown in parameters_in(part) if not shown)
    for parameter in hidden:
        _, equals, value = parameter.partition("=")
        if equals:
            forms |= _forms(value)
    return forms


def _forms(secret: str) -> set[str]:
    """Return a secret in all its forms, and the pieces between its reserved characters."""
    forms = _whole_forms(secret)
    pieces = {piece for form in forms for piece in re.split(r"[/?#@\[\]:%&=\s]", form)}
    return {form for form in forms | pieces if len(form) >= _LEAST_PIECE}


def _whole_forms(secret: str) -> set[str]:
    """Return a secret as it is, percent-decoded, percent-encoded in several ways, and in Base64."""
    plain = {secret, unquote(secret)}
    written = {write(form) for write in (quote, quote_plus, encoded, _quote_all) for form in plain}
    forms = plain | written | {form.lower() for form in written if "%" in form}
    # HTTP's Basic scheme, RFC 7617 section 2.
    return forms | {base64.b64encode(form.encode()).decode() for form in plain}


def _quote_all(text: str) -> str:
    return quote(text, safe="")


KNOWN: Final = Secrets()
"""The secrets of this process. Each command adds those of its settings."""


def without_secrets(
    _logger: Any, _method: str, line: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Redact the secrets in a line of the log (a structlog processor)."""
    # Log events are identifiers of this program. A password with the same letters must not change
    # them.
    return {
        key: value
        if key in _IDENTIFIER_FIELDS and _is_identifier(value)
        else KNOWN.redacted_in_value(value)
        for key, value in line.items()
    }


_IDENTIFIER_FIELDS: Final = frozenset({"event", "level", "logger"})


def _is_identifier(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch("[a-z0-9_.]+", value) is not None
