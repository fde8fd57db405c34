"""Named values: the form of a setting that holds a value for each of several cameras."""

import re
import shlex

from pydantic import TypeAdapter, ValidationError

from cloud.contract import CameraName

FIRST_CAMERA = "main"
"""The name of the camera of EDGE_SOURCE where a device has several."""

_NAME = TypeAdapter(CameraName)
_HAS_NAME = re.compile(r"[A-Za-z0-9_-]+=")


def named_values(text: str) -> dict[str, str]:
    """Read a text such as `side=1 yard=rtsp://10.0.0.7/live`.

    Args:
        text: Words of the form NAME=VALUE with spaces between them, quoted as in a shell.

    Returns:
        Each value by its name, in the order of the text.

    Raises:
        ValueError: The text has another form. The message repeats no value, since a value may hold
            a password.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"a quote or a backslash is wrong ({error})") from None
    found: dict[str, str] = {}
    for place, word in enumerate(words, start=1):
        name, _, value = word.partition("=")
        if not _HAS_NAME.match(word) or not value:
            raise ValueError(
                f"word {place} is not of the form NAME=VALUE, such as side=1; write spaces between"
                " the words, and quotes around a word with spaces"
            )
        try:
            _NAME.validate_python(name)
        except ValidationError:
            raise ValueError(
                f"{name} is no name of a camera: use lower-case letters, digits and hyphens, at"
                " most 32"
            ) from None
        if name in found:
            raise ValueError(f"the name {name} occurs twice")
        found[name] = value
    return found
