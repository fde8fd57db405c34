"""Errors that a call raises instead of returning an answer, as one tree.

ClientError
├── ApiUnreachable           nobody answers at this address: no network, no such host, hung up
│   └── ApiTimedOut          an answer did not come in time
├── ApiUnreadable            something answers, but not this version of the API
├── StreamGap                a stream left events out: more were missed than it sends again
└── Refused                  the API answered with a problem (RFC 9457); `code` says which
    ├── Unauthenticated      401: the key or the session is not valid
    ├── Forbidden            403: the key's role or gate does not allow it
    ├── NotFound             404: there is no such thing
    ├── Conflict             409: the state does not allow it, or it was done before
    ├── Gone                 410: the pass can be used no more
    ├── Invalid              413, 422: the request does not follow the contract
    ├── TooManyRequests      429: try again after `retry_after_s`
    └── Unavailable          5xx: the API or its store is not available
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cloud.contract import ProblemCode


class ClientError(Exception):
    """A call without an answer."""


class ApiUnreachable(ClientError):  # noqa: N818 (here a name says what happened)
    """Nobody answers at the address."""


class ApiTimedOut(ApiUnreachable):
    """The answer did not come in time. The API may have done what the request asked."""


class ApiUnreadable(ClientError):  # noqa: N818
    """The answer has a shape that this version of the contract does not know."""


class StreamGap(ClientError):  # noqa: N818
    """A stream of events left some out.

    Attributes:
        after: The cursor of the last event that the stream sent. Read newer ones in pages.
    """

    def __init__(self, after: str) -> None:
        super().__init__(
            f"the stream left out events after {after}: read them with iter_events, then follow "
            "the stream again"
        )
        self.after = after


class SentProblem(BaseModel):
    """Problem details of an answer. A newer cloud may send a code that this version lacks."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    title: str
    status: int
    detail: str = ""
    code: ProblemCode | str = Field(union_mode="left_to_right")
    errors: list[dict[str, Any]] = []


class Refused(ClientError):  # noqa: N818
    """The API answered, with a problem.

    Attributes:
        problem: As it came.
        code: Its stable name; a plain text where only a newer cloud knows it.
        status: Of the answer.
        retry_after_s: Seconds that the API asks to wait before the next try, where it does.
        request_id: By which the API's log knows the request.
    """

    def __init__(
        self, problem: SentProblem, status: int, headers: Mapping[str, str] | None = None
    ) -> None:
        said = f": {problem.detail}" if problem.detail else ""
        super().__init__(f"{problem.title} ({problem.code}){said}")
        headers = headers or {}
        self.problem = problem
        self.code = problem.code
        self.status = status
        self.retry_after_s = _seconds(headers.get("Retry-After", ""))
        self.request_id = headers.get("X-Request-Id", "")

    @property
    def faults(self) -> Sequence[Mapping[str, Any]]:
        """Where in the request, and what, for `malformed_request`."""
        return self.problem.errors


class Unauthenticated(Refused):
    """The key or the session is not valid."""


class Forbidden(Refused):
    """The key's role or gate does not allow it."""


class NotFound(Refused):
    """There is no such object."""


class Conflict(Refused):
    """The state does not allow it, or it was done before."""


class Gone(Refused):
    """The pass can be used no more."""


class Invalid(Refused):
    """The request does not follow the contract."""


class TooManyRequests(Refused):
    """Try again after `retry_after_s`."""


class Unavailable(Refused):
    """The API or its store is not available."""


_BY_STATUS: Final[Mapping[int, type[Refused]]] = {
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    413: Invalid,
    422: Invalid,
    429: TooManyRequests,
}


def refusal(answer: httpx.Response) -> ClientError:
    """Return the error for an answer that is no success."""
    status = answer.status_code
    try:
        problem = SentProblem.model_validate_json(answer.content)
    except ValidationError:
        return ApiUnreadable(f"status {status} without problem details")
    kind = Unavailable if answer.is_server_error else _BY_STATUS.get(status, Refused)
    return kind(problem, status, answer.headers)


def _seconds(retry_after: str) -> float | None:
    """Return the header's seconds; None for its other form, a date, which the API does not use."""
    return float(retry_after) if retry_after.isdecimal() else None
