"""What this process knows and must not show, redacted in whatever anybody writes."""

import base64
import re
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, Final
from urllib.parse import quote, quote_plus, unquote

from edge.addresses import REDACTED, Address, encoded, parameters_in, redacted

_LEAST_PIECE: Final = 4
"""A shorter piece of a secret occurs in other words too; blanking those would give it away."""


class Secrets:
    """What must not be seen, in every form in which a library may repeat it.

    Args:
        addresses: Whose logins and parameters are secret.
        words: That are secret themselves, such as a code.
    """

    def __init__(self, addresses: Iterable[str] = (), words: Iterable[str] = ()) -> None:
        self._forms: list[str] = []
        for text in addresses:
            self._learn(_secrets_in(text))
        for word in words:
            self._learn(_forms(word))

    def add(self, others: "Secrets") -> None:
        """Know those of others too."""
        self._learn(others._forms)

    def _learn(self, forms: Iterable[str]) -> None:
        # The longest first: a form may hold another.
        known = {*self._forms, *forms}
        self._forms = sorted(known, key=lambda form: (-len(form), form))

    def redacted(self, text: str) -> str:
        """The text with every secret replaced."""
        for form in self._forms:
            text = text.replace(form, REDACTED)
        return text

    def redacted_in_value(self, value: object) -> object:
        """A value of a log line with every secret replaced; lists and mappings are gone through."""
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
            # FFmpeg takes what stands before such a character for a host, and says so.
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
    """A secret in all its forms, and its pieces between reserved characters."""
    forms = _whole_forms(secret)
    pieces = {piece for form in forms for piece in re.split(r"[/?#@\[\]:%&=\s]", form)}
    return {form for form in forms | pieces if len(form) >= _LEAST_PIECE}


def _whole_forms(secret: str) -> set[str]:
    """A secret as written, percent-decoded, percent-encoded in the usual ways, and in Base64."""
    plain = {secret, unquote(secret)}
    written = {write(form) for write in (quote, quote_plus, encoded, _quote_all) for form in plain}
    forms = plain | written | {form.lower() for form in written if "%" in form}
    # HTTP's Basic scheme, RFC 7617 section 2.
    return forms | {base64.b64encode(form.encode()).decode() for form in plain}


def _quote_all(text: str) -> str:
    return quote(text, safe="")


KNOWN: Final = Secrets()
"""Those of this process. A command adds what its settings hold."""


def without_secrets(
    _logger: Any, _method: str, line: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Blank what is secret in a line of the log: a processor of structlog."""
    # Events are names of our own; a password of the same letters must not change them.
    return {
        key: value if key in _OURS and _is_name(value) else KNOWN.redacted_in_value(value)
        for key, value in line.items()
    }


_OURS: Final = frozenset({"event", "level", "logger"})


def _is_name(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch("[a-z0-9_.]+", value) is not None
