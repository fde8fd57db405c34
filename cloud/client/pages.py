"""Pages of lists. Items are read one by one: an item of an unknown shape becomes `Unread`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, to_json

from cloud.client.errors import ApiUnreadable

ItemT = TypeVar("ItemT", bound=BaseModel)

_OBJECT = TypeAdapter(dict[str, Any])
_LIST = TypeAdapter(list[Any])
_CURSOR = TypeAdapter(str | None)

_FAULTS_NAMED = 3
_SHOWN_LETTERS = 60


@dataclass(frozen=True, slots=True)
class Unread:
    """An item of another shape than this version knows: a newer cloud may have sent it.

    Attributes:
        sent: The item as it came.
        why: The part that is not known, such as `label 'half_mask'`.
    """

    sent: Mapping[str, Any]
    why: str

    def text(self, name: str) -> str:
        """Return a part of the item as text; empty where the part is absent or no text."""
        part = self.sent.get(name)
        return part if isinstance(part, str) else ""


@dataclass(frozen=True, slots=True)
class Page(Generic[ItemT]):
    """A page of a list. Iterating gives its items.

    Attributes:
        rows: The items in their order, as `Unread` where they cannot be read. A program that shows
            them to people uses these, so that one item of a newer cloud does not hide the others.
        next: The cursor of the next page, as `before` or `after`; None at the end.
    """

    rows: list[ItemT | Unread]
    next: str | None = None

    @property
    def items(self) -> list[ItemT]:
        """The items in their order.

        Raises:
            ApiUnreadable: One of them has another shape than this version knows.
        """
        items = []
        for row in self.rows:
            if isinstance(row, Unread):
                raise ApiUnreadable(f"an item of the list is not known here: {row.why}")
            items.append(row)
        return items

    def __iter__(self) -> Iterator[ItemT]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.rows)


def read_page(content: bytes, item: type[ItemT]) -> Page[ItemT]:
    """Read a page: an object of `items` and `next`.

    Returns:
        The page.

    Raises:
        ValidationError: The answer is no page. An item that cannot be read raises nothing.
    """
    page = _OBJECT.validate_json(content)
    items = _LIST.validate_python(page.get("items"))
    return Page(
        [read_item(each, item) for each in items], _CURSOR.validate_python(page.get("next"))
    )


def read_list(content: bytes, item: type[ItemT], read_on: str | None) -> Page[ItemT]:
    """Read an array, whose header `Link` holds the next cursor.

    Returns:
        The page.

    Raises:
        ValidationError: The answer is no list. An item that cannot be read raises nothing.
    """
    return Page([read_item(each, item) for each in _LIST.validate_json(content)], read_on)


def read_item(sent: object, item: type[ItemT]) -> ItemT | Unread:
    """Return one item of a list; an `Unread` with the reason where it cannot be read."""
    try:
        return item.model_validate_json(to_json(sent))  # as JSON: there a time is a text
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False)[:_FAULTS_NAMED]
        why = ", ".join(_named(fault) for fault in faults)
        return Unread(sent if isinstance(sent, dict) else {}, why)


def _named(fault: ErrorDetails) -> str:
    place = ".".join(map(str, fault["loc"])) or "the item"
    if fault["type"] == "missing":
        return f"{place} is missing"
    value = repr(fault["input"])
    return f"{place} {value if len(value) <= _SHOWN_LETTERS else value[:_SHOWN_LETTERS] + '…'}"
