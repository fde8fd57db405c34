"""The connection to the cloud: sends requests, reads answers, and names each failure."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, SecretStr, ValidationError

from cloud.contract import Problem, ProblemCode
from edge.delivery.answers import retry_after_s, text_of
from edge.errors import (
    CloudError,
    CloudUnreachableError,
    KeyRefusedError,
    PackageGoneError,
    SettingsError,
)
from edge.redaction.addresses import HOW_TO_ENCODE, redacted, redacted_in

_MAX_BODY_BYTES = 1 << 20
"""Longest answer; those of the API are a few KiB."""

_ERRNO = re.compile(r"\[Errno -?\d+\] ")

_ANOTHER_SERVER = (
    "Something else than the cloud's API answered: check EDGE_CLOUD_URL, and a proxy before it"
)

_DOWNLOAD_S = 300.0
"""Longest request of a download; the next request goes on from there."""

_Model = TypeVar("_Model", bound=BaseModel)


class Connection:
    """Sends requests to the cloud, and translates each failure into an error of `edge.errors`.

    Args:
        url: Address of the cloud, without a path of the API.
        key: Of the device; None before enrolment.
        timeout_s: Timeout of each request in seconds.
        transport: Sends the requests; None for the network.

    Attributes:
        key: That requests are sent with.
        shown: The address as it may be shown to people.

    Raises:
        SettingsError: The cloud's address, or the proxy's address in the environment, is invalid.
    """

    def __init__(
        self,
        url: str,
        *,
        key: SecretStr | None,
        timeout_s: float,
        transport: httpx.BaseTransport | None,
    ) -> None:
        self.url = url.rstrip("/")
        self.key = key
        self.shown = redacted(self.url)
        self._timeout_s = timeout_s
        try:
            base = httpx.URL(self.url)
        except httpx.InvalidURL:
            raise SettingsError(
                f"{self.shown} is not a valid address of a cloud", "Check EDGE_CLOUD_URL"
            ) from None
        try:
            self._http = httpx.Client(base_url=base, timeout=timeout_s, transport=transport)
        except (httpx.InvalidURL, ValueError):
            # The text of the exception may quote a part of the proxy's password.
            raise SettingsError(
                "HTTP_PROXY, HTTPS_PROXY or ALL_PROXY is not a valid address of a proxy",
                HOW_TO_ENCODE,
            ) from None

    def close(self) -> None:
        """End the connection; a request that is still under way fails."""
        self._http.close()

    def send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Send a request.

        Args:
            method: Of HTTP.
            path: Without the host.
            arguments: Of `httpx.Client.stream`.

        Returns:
            The whole answer, whatever its status.

        Raises:
            CloudUnreachableError: No answer came, or none in time.
        """
        headers = {"Content-Type": "application/json"} if "content" in arguments else {}
        headers |= arguments.pop("headers", {})
        headers |= self._authorization()
        with (
            self._translated(),
            self._http.stream(method, path, headers=headers, **arguments) as answer,
        ):
            return httpx.Response(
                answer.status_code, headers=answer.headers, content=self._body(answer)
            )

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
        headers |= self._authorization()
        deadline = time.monotonic() + _DOWNLOAD_S
        with self._translated(), self._http.stream("GET", path, headers=headers) as answer:
            if not answer.is_success:
                short = httpx.Response(
                    answer.status_code, headers=answer.headers, content=self._body(answer)
                )
                problem = self.problem(short)
                if problem is not None and problem.code is ProblemCode.MODEL_UNKNOWN:
                    raise PackageGoneError(text_of(problem))
                raise self.failure(short, problem)
            if start and answer.status_code != HTTPStatus.PARTIAL_CONTENT:
                raise CloudUnreachableError(f"{self.shown} did not go on from byte {start}")
            for piece in answer.iter_bytes():
                write(piece[:most])
                most -= len(piece)
                if most <= 0:
                    return
                if time.monotonic() > deadline:
                    raise CloudUnreachableError(f"{self.shown} is slow; the download goes on")
            raise CloudUnreachableError(f"the download from {self.shown} broke off")

    def read(self, answer: httpx.Response, model: type[_Model]) -> _Model:
        """Parse a good answer; any other is a failure.

        Args:
            answer: Of the API.
            model: Of the contract.

        Returns:
            The body of the answer.

        Raises:
            CloudError: The answer is none of success, or its body is not of this model.
        """
        if not answer.is_success:
            raise self.failure(answer, self.problem(answer))
        return self.parse(answer, model)

    def parse(self, answer: httpx.Response, model: type[_Model]) -> _Model:
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
                f"{self.shown} answered {answer.status_code}, but the body is no {model.__name__}",
                "Check EDGE_CLOUD_URL, and that no proxy answers in the cloud's place",
            ) from None

    def problem(self, answer: httpx.Response) -> Problem | None:
        """Return what the API says is wrong; None where something else answered."""
        try:
            return Problem.model_validate_json(answer.content)
        except ValidationError:
            return None

    def failure(self, answer: httpx.Response, problem: Problem | None) -> CloudError:
        """Return the error of an answer that is none of success."""
        reason = text_of(problem) if problem is not None else answer.reason_phrase
        if answer.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            return KeyRefusedError(
                f"the cloud does not accept this device's key: {reason}",
                "Enrol the device again: `python -m edge enrol --code CODE`",
            )
        return CloudUnreachableError(
            f"{self.shown} answered {answer.status_code}: {reason}",
            # The API describes each of its own failures.
            _ANOTHER_SERVER if problem is None else "",
            retry_after_s=retry_after_s(answer.headers),
        )

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key.get_secret_value()}"} if self.key else {}

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except httpx.TimeoutException as error:
            raise CloudUnreachableError(
                f"no answer from {self.shown} in time", "Check the network and EDGE_CLOUD_URL"
            ) from error
        # InvalidURL is not an HTTPError; httpx raises it for an address that it cannot parse.
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise CloudUnreachableError(
                f"{self.shown} cannot be reached: {redacted_in(_ERRNO.sub('', str(error)))}",
                "Check the network and EDGE_CLOUD_URL",
            ) from error
        except RuntimeError as error:
            # At the end of a run the thread of the commands may still begin a request.
            if not self._http.is_closed:
                raise
            raise CloudUnreachableError(f"the client of {self.shown} is closed") from error

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
                    f"{self.shown} answered with more than {_MAX_BODY_BYTES >> 20} MiB",
                    "Check EDGE_CLOUD_URL",
                )
            if time.monotonic() > deadline:
                raise CloudUnreachableError(
                    f"no whole answer from {self.shown} in time",
                    "Check the network and EDGE_CLOUD_URL",
                )
        return bytes(body)
