"""Lists whose answer is a JSON array: whole, or in pages with a link to the next (RFC 8288)."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import urlencode

from fastapi import Depends, Query, Request, Response

from cloud.errors import MalformedRequest

T = TypeVar("T")

WHOLE_AT_MOST: Final = 10_000
"""Items of an answer to a request without `limit`; past them the link leads on, as in any page."""

LINKED: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "headers": {
            "Link": {
                "description": 'The next page, with `rel="next"` (RFC 8288); absent at the end',
                "schema": {"type": "string"},
            }
        }
    }
}
"""What OpenAPI says of the answer of a list."""

_PLACE: Final = re.compile(r"[0-9]{20}-[A-Za-z0-9@_-]{1,64}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def made(at: datetime, item_id: str) -> str:
    """Return the place of an item in a list that has the oldest first.

    It begins with the microseconds since 1970 in 20 digits, so that places are in the order of
    their text, also where two items were made at the same moment. An item keeps its place however
    many come and go before it.
    """
    return f"{(at - _EPOCH) // timedelta(microseconds=1):020d}-{item_id}"


def named(item_id: str) -> str:
    """Return the place of an item in a list that is in the order of its ids."""
    return f"{0:020d}-{item_id}"


@dataclass(frozen=True, slots=True)
class Pages:
    """The part of a list that a request asks for."""

    request: Request
    response: Response
    limit: int | None
    after: str | None

    def of(
        self, items: Sequence[T], place: Callable[[T], str], name: Callable[[T], str]
    ) -> list[T]:
        """Return the items that the request asks for, and link the next page in the answer.

        Args:
            items: in the order of their places.
            place: the place of an item, unique in the list.
            name: the id of an item, as people see it.

        Raises:
            MalformedRequest: `after` is neither a place nor the id of an item.
        """
        after = self._after(items, place, name)
        rest = items if after is None else [item for item in items if place(item) > after]
        limit = WHOLE_AT_MOST if self.limit is None else self.limit
        page = list(rest[:limit])
        if len(rest) > limit:
            self.response.headers["Link"] = f'<{self._address(place(page[-1]))}>; rel="next"'
        return page

    def _after(
        self, items: Sequence[T], place: Callable[[T], str], name: Callable[[T], str]
    ) -> str | None:
        if self.after is None or _PLACE.fullmatch(self.after):
            return self.after
        for item in items:
            if name(item) == self.after:
                return place(item)
        raise MalformedRequest(
            "no item of the list has this id; follow the link of the page before, which is good "
            "whatever was removed since",
            ("query", "after"),
        )

    def _address(self, after: str) -> str:
        """Return the address of the next page, without a host: a proxy may call this one anew."""
        asked = self.request.query_params.multi_items()
        kept = [(key, value) for key, value in asked if key != "after"]
        return f"{self.request.url.path}?{urlencode([*kept, ('after', after)])}"


def pages_of(
    request: Request,
    response: Response,
    limit: Annotated[
        int | None, Query(ge=1, le=200, description="How many at most; left out: the whole list")
    ] = None,
    after: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=100,
            description="What comes after this: the id of an item, or as the link has it",
        ),
    ] = None,
) -> Pages:
    """Return the part of a list that the request asks for."""
    return Pages(request, response, limit, after)


PagesDep = Annotated[Pages, Depends(pages_of)]
