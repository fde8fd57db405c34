"""The connection to the API: it sends requests, and returns models or raises errors."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, SecretStr, ValidationError

from cloud.client.errors import ApiTimedOut, ApiUnreachable, ApiUnreadable, Refused, refusal
from cloud.client.pages import Page, read_list, read_page

ModelT = TypeVar("ModelT", bound=BaseModel)
T = TypeVar("T")

USER_AGENT: Final = "maskgate-client"
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 30.0
"""A retry waits 0.2 s, 0.4 s and so on, or as long as `Retry-After` asks, up to this time."""

_SAFE: Final = frozenset({"GET", "HEAD"})
_RETRIED: Final = frozenset({429, 502, 503, 504})

Value = str | int | float | bool | datetime | None


class Connection:
    """The parts that all operations share: address, key, timeouts, retries of reads, clock.

    A connection is safe to share between threads, as httpx.Client is.

    Args:
        url: Of the API, without /v1.
        key: The key that requests carry; None for operations without one, or before a sign-in.
        timeout_s: Seconds that the API may take to answer.
        read_retries: How often a read (GET) that failed is tried again. Other requests are tried
            once: the caller decides whether to repeat them.
        user_agent: The name of this program in the API's log.
        transport: The transport of httpx; by default the network.

    Raises:
        ValueError: The address or the key has not the form of one.
    """

    def __init__(
        self,
        url: str,
        key: str | SecretStr | None = None,
        *,
        timeout_s: float = 10.0,
        read_retries: int = 0,
        user_agent: str = USER_AGENT,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        # HTTP has one header for both, so a login would replace the key.
        if "@" in url.partition("://")[2]:
            raise ValueError(
                "the API's address holds a user name or a password; leave them out: the key"
                " says who asks"
            )
        self.url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._read_retries = read_retries
        self._ahead = timedelta(0)
        self._csrf_token: SecretStr | None = None
        self.use_key(key)
        try:
            self._http = httpx.Client(
                base_url=self.url,
                headers={"User-Agent": user_agent},
                timeout=timeout_s,
                transport=transport,
            )
        except httpx.InvalidURL as error:
            raise ValueError(f"{self.url} is no address: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def use_key(self, key: str | SecretStr | None) -> None:
        """Send this key from now on.

        Raises:
            ValueError: The key is empty, or holds characters that no key has.
        """
        secret = key if isinstance(key, SecretStr) or key is None else SecretStr(key)
        if secret is not None:
            text = secret.get_secret_value()
            if not text or not text.isascii() or not text.isprintable() or " " in text:
                raise ValueError("the key is empty, or holds characters that no key has")
        self._key = secret

    @property
    def clock_offset(self) -> timedelta:
        """How far the API's clock is ahead of this machine's, by the last answer, to the second."""
        return self._ahead

    def now(self) -> datetime:
        """Return the time by the API's clock, which stamps verdicts and expiries.

        Returns:
            The time, to the second, from the Date of the last answer (RFC 9110 section 6.6.1).
        """
        return datetime.now(UTC) + self._ahead

    def _ask(
        self,
        method: str,
        path: str,
        *segments: object,
        query: Mapping[str, Value] | None = None,
        body: BaseModel | bytes | None = None,
        media_type: str = "application/json",
        wait_s: float = 0.0,
    ) -> httpx.Response:
        """Send a request, and send a read again where that may help.

        Returns:
            The answer, which is a success.

        Raises:
            ApiUnreachable: Nobody answers.
            Refused: The API answers with a problem.
        """
        tries = 1 + (self._read_retries if method in _SAFE else 0)
        pause_s = FIRST_PAUSE_S
        while True:
            tries -= 1
            try:
                with self._answer(
                    method,
                    path,
                    *segments,
                    query=query,
                    body=body,
                    media_type=media_type,
                    timeout=httpx.Timeout(self._timeout_s, read=self._timeout_s + wait_s),
                ) as answer:
                    answer.read()
                    return answer
            except (ApiUnreachable, Refused) as error:
                asked_s = None
                if isinstance(error, Refused):
                    if error.status not in _RETRIED:
                        raise
                    asked_s = error.retry_after_s
                if tries <= 0 or (asked_s or 0.0) > LONGEST_PAUSE_S:
                    raise
                time.sleep(max(asked_s or 0.0, pause_s))
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    @contextmanager
    def _answer(
        self,
        method: str,
        path: str,
        *segments: object,
        query: Mapping[str, Value] | None = None,
        body: BaseModel | bytes | None = None,
        media_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        timeout: httpx.Timeout,
    ) -> Iterator[httpx.Response]:
        """Send a request; yield the answer, its body unread, for the length of a `with`."""
        sent = {**self._credentials(method), **(headers or {})}
        content = body if isinstance(body, bytes | None) else _written(body)
        if content is not None:
            sent["Content-Type"] = media_type
        try:
            with self._http.stream(
                method,
                path.format(*map(_segment, segments)),
                params={
                    name: _text(value) for name, value in (query or {}).items() if value is not None
                },
                content=content,
                headers=sent,
                timeout=timeout,
            ) as answer:
                self._note_the_time(answer)
                if not answer.is_success:
                    answer.read()
                    raise refusal(answer)
                yield answer
        except httpx.TimeoutException as error:
            raise ApiTimedOut(f"no answer from {self.url} within {timeout.read:g} s") from error
        except httpx.TransportError as error:
            raise ApiUnreachable(f"nobody answers at {self.url} ({error})") from error
        except httpx.HTTPError as error:
            raise ApiUnreadable(str(error)) from error

    def _credentials(self, method: str) -> dict[str, str]:
        sent = {}
        if self._key is not None:
            sent["Authorization"] = f"Bearer {self._key.get_secret_value()}"
        elif self._csrf_token is not None and method not in _SAFE:
            sent["X-CSRF-Token"] = self._csrf_token.get_secret_value()
        return sent

    def _note_the_time(self, answer: httpx.Response) -> None:
        try:
            stamped = parsedate_to_datetime(answer.headers["Date"])
        except (KeyError, ValueError):
            return  # a server without a clock sends no Date (RFC 9110 section 6.6.1)
        self._ahead = stamped.astimezone(UTC) - datetime.now(UTC).replace(microsecond=0)

    def _one(
        self, model: type[ModelT], method: str, path: str, *segments: object, **more: Any
    ) -> ModelT:
        return _understood(self._ask(method, path, *segments, **more), model.model_validate_json)

    def _page(
        self, item: type[ModelT], path: str, *segments: object, **query: Value
    ) -> Page[ModelT]:
        answer = self._ask("GET", path, *segments, query=query)
        return _understood(answer, lambda content: read_page(content, item))

    def _list(
        self, item: type[ModelT], path: str, *segments: object, **query: Value
    ) -> Page[ModelT]:
        answer = self._ask("GET", path, *segments, query=query)
        read_on = httpx.URL(answer.links.get("next", {}).get("url", "")).params.get("after")
        return _understood(answer, lambda content: read_list(content, item, read_on))


def each(read: Callable[[str | None], Page[ModelT]]) -> Iterator[ModelT]:
    """Read page after page. A page may be empty and not be the last.

    Args:
        read: Returns the page of a cursor; the first page for None.

    Yields:
        The items.

    Raises:
        ClientError: A page could not be read, or an item of it.
    """
    cursor = None
    while True:
        page = read(cursor)
        yield from page.items
        cursor = page.next
        if cursor is None:
            return


def _understood(answer: httpx.Response, read: Callable[[bytes], T]) -> T:
    try:
        return read(answer.content)
    except ValidationError as error:
        raise ApiUnreadable(
            f"{error.error_count()} parts of it have another shape than v1's"
        ) from error


def _written(body: BaseModel) -> bytes:
    """Return the body as JSON, without unset fields, for which the API has defaults."""
    return body.model_dump_json(exclude_unset=True).encode()


def _segment(value: object) -> str:
    text = str(value)
    if text in {"", ".", ".."}:
        raise ValueError(f"{text!r} names nothing in an address")
    return quote(text, safe="")


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, datetime) else str(value)
