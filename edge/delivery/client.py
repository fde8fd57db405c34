"""The client of the cloud's API. With `edge.door`, it alone imports httpx."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
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
    DeviceLog,
    DeviceSettings,
    Enrolment,
    EnrolmentRequest,
    Heartbeat,
    Problem,
    ProblemCode,
    Redemption,
    RedemptionRequest,
    RolledKey,
)
from edge.delivery.answers import date_of, retry_after_s, text_of
from edge.errors import (
    CloudError,
    CloudUnreachableError,
    EnrolmentRefusedError,
    EventRejectedError,
    KeyRefusedError,
    PackageGoneError,
    PreviewUnwantedError,
    SettingsError,
)
from edge.redaction.addresses import HOW_TO_ENCODE, redacted, redacted_in

_NEVER_ACCEPTED = frozenset(
    {
        ProblemCode.MALFORMED_REQUEST,
        ProblemCode.EVENT_CONFLICT,
        ProblemCode.BODY_TOO_LARGE,
    }
)
"""Problem codes that the same event will always get, however often it is sent."""

_MAX_BODY_BYTES = 1 << 20
"""Longest answer; those of the API are a few KiB."""

_ERRNO = re.compile(r"\[Errno -?\d+\] ")

_ANOTHER_SERVER = (
    "Something else than the cloud's API answered: check EDGE_CLOUD_URL, and a proxy before it"
)

_DOWNLOAD_S = 300.0
"""Longest request of a download; the next request goes on from there."""

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class ApiHealth:
    """The state of the API, as `/healthz` and `/readyz` report it.

    Attributes:
        ready: Whether the API can reach its store.
        detail: Why the API is not ready; empty if it is.
        clock: The API's clock (the header `Date`); None if the answer has no such header.
    """

    ready: bool
    detail: str
    clock: datetime | None


def _now() -> datetime:
    return datetime.now(UTC)


class Client:
    """Calls the API, and translates each failure into an error of `edge.errors`.

    Args:
        url: Address of the cloud, without a path of the API.
        key: Of the device; None before enrolment.
        timeout_s: Timeout of each request in seconds.
        transport: Sends the requests; None for the network.
        clock: Returns the time that the header `Date` shall have; by default this machine's clock.

    Raises:
        SettingsError: The cloud's address, or the proxy's address in the environment, is invalid.
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
                f"{self._shown} is not a valid address of a cloud", "Check EDGE_CLOUD_URL"
            ) from None
        try:
            self._http = httpx.Client(base_url=base, timeout=timeout_s, transport=transport)
        except (httpx.InvalidURL, ValueError):
            # The text of the exception may quote a part of the proxy's password.
            raise SettingsError(
                "HTTP_PROXY, HTTPS_PROXY or ALL_PROXY is not a valid address of a proxy",
                HOW_TO_ENCODE,
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
        """Send an event, with the time of this device's clock in the header `Date`.

        From the header (RFC 9110 section 6.6.1) the cloud can tell how old the event is, even if
        this device's clock is wrong.

        Args:
            event_id: The id inside `body`.
            body: `cloud.contract.Event` as JSON, as the outbox kept it.

        Returns:
            The cloud's decision on this event.

        Raises:
            CloudUnreachableError: The cloud did not take the event; a later attempt may succeed.
            KeyRefusedError: The cloud does not accept the device's key.
            EventRejectedError: The cloud will never accept this event.
        """
        date = {"Date": format_datetime(self._clock(), usegmt=True)}
        answer = self._send("POST", "/v1/events", content=body, headers=date)
        if not answer.is_success:
            problem = self._problem(answer)
            if problem is not None and problem.code in _NEVER_ACCEPTED:
                raise EventRejectedError(
                    f"the cloud rejects event {event_id}: {text_of(problem)}",
                    "Keep the event and report it: edge and cloud may be of different versions",
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
        """Report the state of this device.

        Args:
            heartbeat: The state.

        Raises:
            CloudUnreachableError: The cloud did not take the heartbeat.
            KeyRefusedError: The cloud does not accept the device's key.
        """
        answer = self._send("POST", "/v1/devices/me/heartbeat", content=heartbeat.model_dump_json())
        if not answer.is_success:
            raise self._failure(answer, self._problem(answer))

    def commands(self, after: str | None, wait_s: float) -> list[Command]:
        """Ask for commands by a long poll.

        Args:
            after: Id of the last command that was carried out. It acknowledges this command and all
                before it.
            wait_s: Seconds that the cloud may hold the request, at most 60.

        Returns:
            The commands to carry out, in order; empty if there was none in that time.

        Raises:
            CloudUnreachableError: The cloud did not answer.
            KeyRefusedError: The cloud does not accept the device's key.
        """
        query = {"wait": str(wait_s), **({"after": after} if after is not None else {})}
        timeout = httpx.Timeout(self._timeout_s, read=self._timeout_s + wait_s)
        answer = self._send("GET", "/v1/devices/me/commands", params=query, timeout=timeout)
        return self._good(answer, CommandPage).items

    def settings(self) -> DeviceSettings:
        """Get the settings of this device's gate.

        Returns:
            The settings with their revision.

        Raises:
            CloudUnreachableError: The cloud did not answer.
            KeyRefusedError: The cloud does not accept the device's key.
        """
        return self._good(self._send("GET", "/v1/devices/me/settings"), DeviceSettings)

    def roll_key(self) -> RolledKey:
        """Get the device's next key; `use_key` begins to use it.

        Returns:
            The new key.

        Raises:
            CloudUnreachableError: The cloud did not answer; ask again.
            KeyRefusedError: The cloud does not accept the device's key.
        """
        return self._good(self._send("POST", "/v1/devices/me/roll"), RolledKey)

    @property
    def key(self) -> str | None:
        """The key that requests are sent with; None before enrolment."""
        return self._key.get_secret_value() if self._key is not None else None

    def use_key(self, key: str) -> None:
        """Send this key from now on."""
        self._key = SecretStr(key)

    def send_preview(self, picture: bytes) -> None:
        """Send a preview for the people who watch the gate.

        Args:
            picture: A JPEG.

        Raises:
            PreviewUnwantedError: Nobody watches, or the gate's settings forbid previews.
            CloudUnreachableError: The cloud did not take the picture.
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
            raise PreviewUnwantedError(text_of(problem))
        raise self._failure(answer, problem)

    def send_log(self, log: DeviceLog) -> None:
        """Send the last lines of the log, because the cloud asked for them.

        Raises:
            CloudUnreachableError: The cloud did not take them.
            KeyRefusedError: The cloud does not accept the device's key.
        """
        answer = self._send("PUT", "/v1/devices/me/log", content=log.model_dump_json())
        if not answer.is_success:
            raise self._failure(answer, self._problem(answer))

    def download(self, path: str, start: int, write: Callable[[bytes], object], most: int) -> None:
        """Get a file of the cloud in pieces.

        Args:
            path: Of the file, without the host.
            start: First byte to get.
            write: Gets each piece.
            most: Bytes at most; a longer answer is cut off.

        Raises:
            CloudUnreachableError: The download broke off; the pieces before it were written.
            PackageGoneError: The cloud has no such file.
            KeyRefusedError: The cloud does not accept the device's key.
        """
        headers = {"Range": f"bytes={start}-"} if start else {}
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key.get_secret_value()}"
        deadline = time.monotonic() + _DOWNLOAD_S
        with self._translated(), self._http.stream("GET", path, headers=headers) as answer:
            if not answer.is_success:
                short = httpx.Response(
                    answer.status_code, headers=answer.headers, content=self._body(answer)
                )
                problem = self._problem(short)
                if problem is not None and problem.code is ProblemCode.MODEL_UNKNOWN:
                    raise PackageGoneError(text_of(problem))
                raise self._failure(short, problem)
            if start and answer.status_code != HTTPStatus.PARTIAL_CONTENT:
                raise CloudUnreachableError(f"{self._shown} did not go on from byte {start}")
            for piece in answer.iter_bytes():
                write(piece[:most])
                most -= len(piece)
                if most <= 0:
                    return
                if time.monotonic() > deadline:
                    raise CloudUnreachableError(f"{self._shown} is slow; the download goes on")
            raise CloudUnreachableError(f"the download from {self._shown} broke off")

    def _good(self, answer: httpx.Response, model: type[_Model]) -> _Model:
        if not answer.is_success:
            raise self._failure(answer, self._problem(answer))
        return self._parse(answer, model)

    def redeem(self, request: RedemptionRequest) -> Redemption:
        """Redeem a pass, with the key of a scanner.

        Args:
            request: What was read; a repeated nonce gets the same answer.

        Returns:
            The outcome; a refusal is an outcome, too.

        Raises:
            CloudUnreachableError: The cloud did not answer; it may have redeemed the pass.
            KeyRefusedError: The cloud does not accept the scanner's key.
        """
        body = request.model_dump_json(exclude_none=True)
        return self._good(self._send("POST", "/v1/passes/redeem", content=body), Redemption)

    def enrol(self, request: EnrolmentRequest) -> Enrolment:
        """Exchange a one-time code for a key.

        Args:
            request: The code, and the name of this device.

        Returns:
            The device's id, key and gate.

        Raises:
            CloudUnreachableError: The cloud did not answer; the code may be used up nevertheless.
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
                    f"the cloud does not accept the enrolment code: {text_of(problem)}",
                    "Ask for a new code: a code works once, and expires",
                )
            raise self._failure(answer, problem)
        return self._parse(answer, Enrolment)

    def health(self) -> ApiHealth:
        """Ask whether the API is ready.

        Returns:
            The state of the API.

        Raises:
            CloudUnreachableError: No answer came, or something else than the API answered.
        """
        alive = self._send("GET", "/healthz")
        if not alive.is_success:
            raise self._failure(alive, self._problem(alive))
        ready = self._send("GET", "/readyz")
        problem = None if ready.is_success else self._problem(ready)
        detail = (
            "" if ready.is_success else text_of(problem) if problem else f"HTTP {ready.status_code}"
        )
        return ApiHealth(ready.is_success, detail, date_of(alive.headers))

    def _send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        headers = {"Content-Type": "application/json"} if "content" in arguments else {}
        headers |= arguments.pop("headers", {})
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key.get_secret_value()}"
        with (
            self._translated(),
            self._http.stream(method, path, headers=headers, **arguments) as answer,
        ):
            return httpx.Response(
                answer.status_code, headers=answer.headers, content=self._body(answer)
            )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except httpx.TimeoutException as error:
            raise CloudUnreachableError(
                f"no answer from {self._shown} in time", "Check the network and EDGE_CLOUD_URL"
            ) from error
        # InvalidURL is not an HTTPError; httpx raises it for an address that it cannot parse.
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise CloudUnreachableError(
                f"{self._shown} cannot be reached: {redacted_in(_ERRNO.sub('', str(error)))}",
                "Check the network and EDGE_CLOUD_URL",
            ) from error
        except RuntimeError as error:
            # At the end of a run the thread of the commands may still begin a request.
            if not self._http.is_closed:
                raise
            raise CloudUnreachableError(f"the client of {self._shown} is closed") from error

    def _body(self, answer: httpx.Response) -> bytes:
        """Read the body of an answer as it came over the network.

        The timeouts of httpx are for each piece of the body. A server that sends a byte now and
        then would hold the courier for ever, so there is a timeout for the whole body, too.

        Args:
            answer: Whose headers have come.

        Returns:
            The body, which may be compressed.

        Raises:
            CloudUnreachableError: The body is too long, or does not come in time.
        """
        deadline = time.monotonic() + self._timeout_s
        body = bytearray()
        for piece in answer.iter_raw():
            body += piece
            if len(body) > _MAX_BODY_BYTES:
                raise CloudUnreachableError(
                    f"{self._shown} answered with more than {_MAX_BODY_BYTES >> 20} MiB",
                    "Check EDGE_CLOUD_URL",
                )
            if time.monotonic() > deadline:
                raise CloudUnreachableError(
                    f"no whole answer from {self._shown} in time",
                    "Check the network and EDGE_CLOUD_URL",
                )
        return bytes(body)

    def _parse(self, answer: httpx.Response, model: type[_Model]) -> _Model:
        """Parse an answer; an answer with another body is a failure, even with the status 200.

        Args:
            answer: Of the API.
            model: Of the contract.

        Returns:
            The body of the answer.

        Raises:
            CloudUnreachableError: The body is not of this model: a captive portal answered, say.
        """
        try:
            return model.model_validate_json(answer.content)
        except ValidationError:
            raise CloudUnreachableError(
                f"{self._shown} answered {answer.status_code}, but the body is no {model.__name__}",
                "Check EDGE_CLOUD_URL, and that no proxy answers in the cloud's place",
            ) from None

    def _problem(self, answer: httpx.Response) -> Problem | None:
        try:
            return Problem.model_validate_json(answer.content)
        except ValidationError:
            return None

    def _failure(self, answer: httpx.Response, problem: Problem | None) -> CloudError:
        reason = text_of(problem) if problem is not None else answer.reason_phrase
        if answer.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            return KeyRefusedError(
                f"the cloud does not accept this device's key: {reason}",
                "Enrol the device again: `python -m edge enrol --code CODE`",
            )
        return CloudUnreachableError(
            f"{self._shown} answered {answer.status_code}: {reason}",
            # The API describes each of its own failures.
            _ANOTHER_SERVER if problem is None else "",
            retry_after_s=retry_after_s(answer.headers),
        )


def is_plain_http_elsewhere(url: str) -> bool:
    """Return whether a key that is sent to this address crosses a network unencrypted."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname not in {"localhost", "127.0.0.1", "::1"}
