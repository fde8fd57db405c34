"""The API as the edge calls it. The one file that knows httpx."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

import httpx
from pydantic import BaseModel, SecretStr, ValidationError

from cloud.contract import (
    Command,
    CommandPage,
    Decision,
    DeviceSettings,
    Enrolment,
    EnrolmentRequest,
    Heartbeat,
    Problem,
    ProblemCode,
    RolledKey,
)
from edge.addresses import HOW_TO_ENCODE, redacted, redacted_in
from edge.errors import (
    CloudError,
    CloudUnreachableError,
    EnrolmentRefusedError,
    EventRejectedError,
    KeyRefusedError,
    PreviewUnwantedError,
    SettingsError,
)

_NEVER_ACCEPTED = frozenset(
    {
        ProblemCode.MALFORMED_REQUEST,
        ProblemCode.EVENT_CONFLICT,
        ProblemCode.BODY_TOO_LARGE,
    }
)
"""Answers that the same body will get for ever."""

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class ApiHealth:
    """What `healthz` and `readyz` say.

    Attributes:
        ready: Whether the API can reach its store.
        detail: Why not.
        clock: The API's clock (the `Date` header), where it was sent.
    """

    ready: bool
    detail: str
    clock: datetime | None


def _now() -> datetime:
    return datetime.now(UTC)


class Client:
    """Calls the API; every failure becomes one of `edge.errors`.

    Args:
        url: Of the cloud, without a path of the API.
        key: The device's; None before enrolment.
        timeout_s: For each request.
        transport: Where the world begins; by default the network.
        clock: The one by which events say when they occurred; by default this machine's.

    Raises:
        SettingsError: The address, or that of a proxy which the environment names, is none.
    """

    def __init__(
        self,
        url: str,
        *,
        key: SecretStr | None = None,
        timeout_s: float = 10.0,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self.url = url.rstrip("/")
        self._key = key
        self._timeout_s = timeout_s
        self._clock = clock
        self._shown = redacted(self.url)
        try:
            base = httpx.URL(self.url)
        except httpx.InvalidURL:
            raise SettingsError(
                f"{self._shown} is no address of a cloud", "Check EDGE_CLOUD_URL"
            ) from None
        try:
            self._http = httpx.Client(base_url=base, timeout=timeout_s, transport=transport)
        except (httpx.InvalidURL, ValueError):
            # Its text would quote a piece of the proxy's password.
            raise SettingsError(
                "HTTP_PROXY, HTTPS_PROXY or ALL_PROXY is no address of a proxy", HOW_TO_ENCODE
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def __repr__(self) -> str:
        return f"Client({self._shown!r})"

    def post_event(self, event_id: UUID, body: str) -> Decision:
        """Hand in an event, and say what this device's clock shows as it is sent.

        The header `Date` (RFC 9110 section 6.6.1) lets the cloud tell how old the event is, also
        where this clock is wrong.

        Args:
            event_id: The one inside `body`.
            body: `cloud.contract.Event` as JSON, as the outbox kept it.

        Raises:
            CloudUnreachableError: Try again later.
            KeyRefusedError: The device's key is not accepted.
            EventRejectedError: This event will never be.
        """
        date = {"Date": format_datetime(self._clock(), usegmt=True)}
        answer = self._send("POST", "/v1/events", content=body, headers=date)
        if not answer.is_success:
            problem = self._problem(answer)
            if problem is not None and problem.code in _NEVER_ACCEPTED:
                raise EventRejectedError(
                    f"the cloud rejects event {event_id}: {_say(problem)}",
                    "Keep it, and report it: edge and cloud may be of different versions",
                    code=str(problem.code),
                )
            raise self._failure(answer, problem)
        decision = self._parse(answer, Decision)
        if decision.event_id != event_id:
            raise CloudUnreachableError(
                f"{self._shown} answered for event {decision.event_id}, not {event_id}"
            )
        return decision

    def send_heartbeat(self, heartbeat: Heartbeat) -> None:
        """Say how this device is.

        Raises:
            CloudUnreachableError: Not taken.
            KeyRefusedError: The device's key is not accepted.
        """
        answer = self._send("POST", "/v1/devices/me/heartbeat", content=heartbeat.model_dump_json())
        if not answer.is_success:
            raise self._failure(answer, self._problem(answer))

    def commands(self, after: str | None, wait_s: float) -> list[Command]:
        """Ask what is to be done, and wait for it.

        Args:
            after: The last command that was done; it and those before it do not come again.
            wait_s: Seconds that the cloud may hold its answer, at most 60.

        Raises:
            CloudUnreachableError: Not answered.
            KeyRefusedError: The device's key is not accepted.
        """
        asked = {"wait": str(wait_s), **({"after": after} if after is not None else {})}
        timeout = httpx.Timeout(self._timeout_s, read=self._timeout_s + wait_s)
        answer = self._send("GET", "/v1/devices/me/commands", params=asked, timeout=timeout)
        return self._good(answer, CommandPage).items

    def settings(self) -> DeviceSettings:
        """Ask what this device's gate is set to.

        Raises:
            CloudUnreachableError: Not answered.
            KeyRefusedError: The device's key is not accepted.
        """
        return self._good(self._send("GET", "/v1/devices/me/settings"), DeviceSettings)

    def roll_key(self) -> RolledKey:
        """Get the device's next key; `use_key` begins to use it.

        Raises:
            CloudUnreachableError: Not answered; to be asked again.
            KeyRefusedError: The device's key is not accepted.
        """
        return self._good(self._send("POST", "/v1/devices/me/roll"), RolledKey)

    def use_key(self, key: str) -> None:
        """Send this key from now on."""
        self._key = SecretStr(key)

    def send_preview(self, picture: bytes) -> None:
        """Send a JPEG to who watches.

        Raises:
            PreviewUnwantedError: Nobody does, or nobody may.
            CloudUnreachableError: Not taken.
        """
        headers = {"Content-Type": "image/jpeg"}
        answer = self._send("PUT", "/v1/devices/me/preview", content=picture, headers=headers)
        if answer.is_success or answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            return
        problem = self._problem(answer)
        if problem is not None and problem.code in {
            ProblemCode.PREVIEW_UNWANTED,
            ProblemCode.PREVIEW_FORBIDDEN,
        }:
            raise PreviewUnwantedError(_say(problem))
        raise self._failure(answer, problem)

    def _good(self, answer: httpx.Response, model: type[_Model]) -> _Model:
        if not answer.is_success:
            raise self._failure(answer, self._problem(answer))
        return self._parse(answer, model)

    def enrol(self, request: EnrolmentRequest) -> Enrolment:
        """Exchange a one-time code for a key.

        Raises:
            CloudUnreachableError: Try again later; the code may have been used up.
            EnrolmentRefusedError: The code is unknown, used or expired.
        """
        answer = self._send("POST", "/v1/devices/enrol", content=request.model_dump_json())
        if not answer.is_success:
            problem = self._problem(answer)
            if problem is not None and problem.code in {
                ProblemCode.ENROLMENT_CODE_INVALID,
                ProblemCode.MALFORMED_REQUEST,
            }:
                raise EnrolmentRefusedError(
                    f"the cloud does not accept the enrolment code: {_say(problem)}",
                    "Ask for a new one: a code works once and expires",
                )
            raise self._failure(answer, problem)
        return self._parse(answer, Enrolment)

    def health(self) -> ApiHealth:
        """Ask whether the API is there and ready.

        Raises:
            CloudUnreachableError: It is not there, or is something else.
        """
        alive = self._send("GET", "/healthz")
        if not alive.is_success:
            raise self._failure(alive, self._problem(alive))
        ready = self._send("GET", "/readyz")
        problem = None if ready.is_success else self._problem(ready)
        detail = (
            "" if ready.is_success else _say(problem) if problem else f"HTTP {ready.status_code}"
        )
        return ApiHealth(ready.is_success, detail, _date(alive))

    def _send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        headers = {"Content-Type": "application/json"} if "content" in arguments else {}
        headers |= arguments.pop("headers", {})
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key.get_secret_value()}"
        try:
            return self._http.request(method, path, headers=headers, **arguments)
        except httpx.TimeoutException as error:
            raise CloudUnreachableError(
                f"no answer from {self._shown} in time", "Check network and EDGE_CLOUD_URL"
            ) from error
        # Beside its HTTPError, httpx raises InvalidURL for an address that it cannot read.
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise CloudUnreachableError(
                f"{self._shown} cannot be reached: {redacted_in(str(error))}",
                "Check network and EDGE_CLOUD_URL",
            ) from error

    def _parse(self, answer: httpx.Response, model: type[_Model]) -> _Model:
        """An answer that is not the contract's is no answer: a captive portal says 200 as well."""
        try:
            return model.model_validate_json(answer.content)
        except ValidationError:
            raise CloudUnreachableError(
                f"{self._shown} answered {answer.status_code} with something that is no"
                f" {model.__name__}",
                "Check EDGE_CLOUD_URL, and that no proxy answers in the cloud's place",
            ) from None

    def _problem(self, answer: httpx.Response) -> Problem | None:
        try:
            return Problem.model_validate_json(answer.content)
        except ValidationError:
            return None

    def _failure(self, answer: httpx.Response, problem: Problem | None) -> CloudError:
        said = _say(problem) if problem is not None else answer.reason_phrase
        if answer.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            return KeyRefusedError(
                f"the cloud does not accept this device's key: {said}",
                "Enrol the device again: `python -m edge enrol --code CODE`",
            )
        return CloudUnreachableError(
            f"{self._shown} answered {answer.status_code}: {said}",
            retry_after_s=_retry_after(answer.headers),
        )


def is_plain_http_elsewhere(url: str) -> bool:
    """Whether a key sent to this address would cross a network unencrypted."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname not in {"localhost", "127.0.0.1", "::1"}


def _say(problem: Problem) -> str:
    return f"{problem.title} ({problem.code})" + (f", {problem.detail}" if problem.detail else "")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, where the header gives seconds; its other form, a date, is not used by the API."""
    value = headers.get("Retry-After", "")
    return float(value) if value.isdecimal() else None


def _date(answer: httpx.Response) -> datetime | None:
    try:
        return parsedate_to_datetime(answer.headers["Date"])
    except (KeyError, ValueError):
        return None
