"""Server-sent events, as the API writes them (https://html.spec.whatwg.org section 9.2.6)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from cloud.client.errors import ApiUnreadable
from cloud.contract import EventRecord

_OBJECT = TypeAdapter(dict[str, Any])


@dataclass(frozen=True, slots=True)
class StreamMessage:
    """One message of a stream.

    Attributes:
        kind: `event`, `gap` or `closing`; a reader skips other kinds.
        id: The cursor from which a new stream continues; empty where the message has none.
        data: JSON.
    """

    kind: str
    id: str
    data: str

    @property
    def record(self) -> EventRecord:
        """The event of an `event`.

        Raises:
            ApiUnreadable: It has another shape than this version knows.
        """
        try:
            return EventRecord.model_validate_json(self.data)
        except ValidationError as error:
            raise ApiUnreadable(f"an event of the stream is not known here: {error}") from error

    def said(self, name: str) -> str:
        """Return a part of the data of a `gap` (`after`, `given`) or a `closing` (`reason`)."""
        try:
            return str(_OBJECT.validate_json(self.data).get(name, ""))
        except ValidationError:
            return ""


def messages(lines: Iterable[str]) -> Iterator[StreamMessage]:
    """Yield the messages in the lines of a stream; a message that is cut off is left out."""
    kind, event_id, data = "", "", list[str]()
    for line in lines:
        if not line:
            if data:
                yield StreamMessage(kind or "message", event_id, "\n".join(data))
            kind, event_id, data = "", "", []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            kind = value
        elif name == "data":
            data.append(value)
        elif name == "id":
            event_id = value
