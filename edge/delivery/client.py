"""The client of the cloud's API: a method for each route that a device uses."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from http import HTTPStatus
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit
from uuid import UUID

import httpx
from pydantic import SecretStr

from cloud.contract import (
    Command,
    CommandPage,
    Decision,
    DeviceLog,
    DeviceSettings,
    Enrolment,
    EnrolmentRequest,
    Heartbeat,
    ProblemCode,
    Redemption,
    RedemptionRequest,
    RolledKey,
)
from edge.delivery.answers import date_of, text_of
from edge.delivery.connection import Connection
from edge.errors import (
    CloudUnreachableError,
    EnrolmentRefusedError,
    EventRejectedError,
    PreviewUnwantedError,
)

_NEVER_ACCEPTED = frozenset(
    {
        ProblemCode.MALFORMED_REQUEST,
        ProblemCode.EVENT_CONFLICT,
        ProblemCode.BODY_TOO_LARGE,
    }
)
"""Problem codes that the same event will always get, however often it is sent."""


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
        self._connection = Connection(url, key=key, timeout_s=timeout_s, transport=transport)
        self.url = self._connection.url
        self._timeout_s = timeout_s
        self._clock = clock

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()

    def __repr__(self) -> str:
        return f"Client({self._connection.shown!r})"

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
        answer = self._connection.send("POST", "/v1/events", content=body, headers=date)
        if not answer.is_success:
            problem = self._connection.problem(answer)
            if problem is not None and problem.code in _NEVER_ACCEPTED:
                raise EventRejectedError(
                    f"the cloud rejects event {event_id}: {text_of(problem)}",
                    "Keep the event and report it: edge and cloud may be of different versions",
                    code=str(problem.code),
                )
            raise self._connection.failure(answer, problem)
        decision = self._connection.parse(answer, Decision)
        if decision.event_id != event_id:
            raise CloudUnreachableError(
                f"{self._connection.shown} answered for event {decision.event_id}, not {event_id}"
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
        answer = self._connection.send(
            "POST", "/v1/devices/me/heartbeat", content=heartbeat.model_dump_json()
        )
        if not answer.is_success:
            raise self._connection.failure(answer, self._connection.problem(answer))

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
        answer = self._connection.send(
            "GET", "/v1/devices/me/commands", params=query, timeout=timeout
        )
        return self._connection.read(answer, CommandPage).items

    def settings(self) -> DeviceSettings:
        """Get the settings of this device's gate.

        Returns:
            The settings with their revision.

        Raises:
            CloudUnreachableError: The cloud did not answer.
            KeyRefusedError: The cloud does not accept the device's key.
        """
        return self._connection.read(
            self._connection.send("GET", "/v1/devices/me/settings"), DeviceSettings
        )

    def roll_key(self) -> RolledKey:
        """Get the device's next key; `use_key` begins to use it.

        Returns:
            The new key.

        Raises:
            CloudUnreachableError: The cloud did not answer; ask again.
            KeyRefusedError: The cloud does not accept the device's key.
        """
        return self._connection.read(
            self._connection.send("POST", "/v1/devices/me/roll"), RolledKey
        )

    @property
    def key(self) -> str | None:
        """The key that requests are sent with; None before enrolment."""
        key = self._connection.key
        return key.get_secret_value() if key is not None else None

    def use_key(self, key: str) -> None:
        """Send this key from now on."""
        self._connection.key = SecretStr(key)

    def send_preview(self, picture: bytes) -> None:
        """Send a preview for the people who watch the gate.

        Args:
            picture: A JPEG.

        Raises:
            PreviewUnwantedError: Nobody watches, or the gate's settings forbid previews.
            CloudUnreachableError: The cloud did not take the picture.
        """
        headers = {"Content-Type": "image/jpeg"}
        answer = self._connection.send(
            "PUT", "/v1/devices/me/preview", content=picture, headers=headers
        )
        if answer.is_success or answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            return
        problem = self._connection.problem(answer)
        if problem is not None and problem.code in {
            ProblemCode.PREVIEW_UNWANTED,
            ProblemCode.PREVIEW_FORBIDDEN,
        }:
            raise PreviewUnwantedError(text_of(problem))
        raise self._connection.failure(answer, problem)

    def send_log(self, log: DeviceLog) -> None:
        """Send the last lines of the log, because the cloud asked for them.

        Raises:
            CloudUnreachableError: The cloud did not take them.
            KeyRefusedError: The cloud does not accept the device's key.
        """
        answer = self._connection.send("PUT", "/v1/devices/me/log", content=log.model_dump_json())
        if not answer.is_success:
            raise self._connection.failure(answer, self._connection.problem(answer))

    def download(self, path: str, start: int, write: Callable[[bytes], object], most: int) -> None:
        """Get a file of the cloud in pieces; see `Connection.download`."""
        self._connection.download(path, start, write, most)

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
        return self._connection.read(
            self._connection.send("POST", "/v1/passes/redeem", content=body), Redemption
        )

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
        answer = self._connection.send(
            "POST", "/v1/devices/enrol", content=request.model_dump_json()
        )
        if not answer.is_success:
            problem = self._connection.problem(answer)
            if problem is not None and problem.code in {
                ProblemCode.ENROLMENT_CODE_INVALID,
                ProblemCode.MALFORMED_REQUEST,
            }:
                raise EnrolmentRefusedError(
                    f"the cloud does not accept the enrolment code: {text_of(problem)}",
                    "Ask for a new code: a code works once, and expires",
                )
            raise self._connection.failure(answer, problem)
        return self._connection.parse(answer, Enrolment)

    def health(self) -> ApiHealth:
        """Ask whether the API is ready.

        Returns:
            The state of the API.

        Raises:
            CloudUnreachableError: No answer came, or something else than the API answered.
        """
        alive = self._connection.send("GET", "/healthz")
        if not alive.is_success:
            raise self._connection.failure(alive, self._connection.problem(alive))
        ready = self._connection.send("GET", "/readyz")
        problem = None if ready.is_success else self._connection.problem(ready)
        detail = (
            "" if ready.is_success else text_of(problem) if problem else f"HTTP {ready.status_code}"
        )
        return ApiHealth(ready.is_success, detail, date_of(alive.headers))


def is_plain_http_elsewhere(url: str) -> bool:
    """Return whether a key that is sent to this address crosses a network unencrypted."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname not in {"localhost", "127.0.0.1", "::1"}
