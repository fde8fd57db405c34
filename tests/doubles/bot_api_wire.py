"""The HTTP of the Bot API double: the messages that came, the planned failures, and answers."""

import contextlib
import json
import sys
from dataclasses import dataclass
from email import policy
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A call of sendMessage; `at` is a time of the monotonic clock."""

    chat_id: str
    text: str
    at: float
    message_id: int = 0
    reply_markup: str = ""
    silent: bool = False
    answered: bool = True
    """Whether the sender got the answer that it was accepted."""


@dataclass(frozen=True, slots=True)
class SentPhoto:
    """A call of sendPhoto; `at` is a time of the monotonic clock."""

    chat_id: str
    caption: str
    photo: bytes
    filename: str
    at: float
    answered: bool = True
    """Whether the sender got the answer that it was accepted."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure of one of the next sends."""

    status: int
    description: str
    retry_after: int | None = None
    hang: bool = False
    cut: bool = False
    """The connection is closed in the middle of the answer."""
    taken: bool = False
    """The message is taken over all the same: what is lost is the answer."""


class Server(ThreadingHTTPServer):
    """A thread for each connection."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Take no notice of a bot that was killed while it was answered."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def parameters(kind: str, body: bytes) -> tuple[dict[str, str], dict[str, tuple[str, bytes]]]:
    """Return the parameters and the files of a request, whichever way they were sent."""
    if kind.startswith("application/json"):
        return {name: str(value) for name, value in json.loads(body).items()}, {}
    if not kind.startswith("multipart/form-data"):
        return dict(parse_qsl(body.decode())), {}
    whole = BytesParser(policy=policy.HTTP).parsebytes(
        b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body
    )
    fields: dict[str, str] = {}
    files: dict[str, tuple[str, bytes]] = {}
    for part in whole.iter_parts():
        name = str(part.get_param("name", header="content-disposition"))
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        if part.get_filename() is None:
            fields[name] = content.decode()
        else:
            files[name] = (str(part.get_filename()), content)
    return fields, files


def error(
    code: int, description: str, retry_after: int | None = None, moved_to: str = ""
) -> dict[str, Any]:
    """Return the body of a refusal."""
    body: dict[str, Any] = {"ok": False, "error_code": code, "description": description}
    if retry_after is not None:
        body["parameters"] = {"retry_after": retry_after}
    if moved_to:
        body["parameters"] = {"migrate_to_chat_id": int(moved_to)}
    return body


def reply(request: BaseHTTPRequestHandler, status: int, body: dict[str, Any]) -> None:
    """Answer with JSON."""
    send(request, status, "application/json", json.dumps(body).encode())


def cut_short(request: BaseHTTPRequestHandler) -> None:
    """Begin an answer of 200 bytes, and close the connection after a few of them."""
    with contextlib.suppress(ConnectionError):
        request.send_response(200)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", "200")
        request.end_headers()
        request.wfile.write(b'{"ok":true,')
    request.close_connection = True


def send(request: BaseHTTPRequestHandler, status: int, kind: str, content: bytes) -> None:
    """Answer, unless the caller has closed the connection."""
    with contextlib.suppress(ConnectionError):
        request.send_response(status)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)
