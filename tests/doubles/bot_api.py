"""A double of Telegram's Bot API over HTTP: it accepts messages and photos, and fails on demand.

It has the methods of https://core.telegram.org/bots/api that the cloud calls: getMe, getUpdates
(long polling), sendMessage, sendPhoto (multipart/form-data), editMessageText, answerCallbackQuery,
getFile with its download, getChatMember, setMyCommands, setWebhook, getWebhookInfo and
deleteWebhook.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.doubles.bot_api_updates import member, pressed, written
from tests.doubles.bot_api_wire import (
    Failure,
    SentMessage,
    SentPhoto,
    Server,
    cut_short,
    error,
    parameters,
    reply,
    send,
)

TOKEN = "123456:double-of-the-bot-api"


@dataclass
class BotApiDouble:
    """A context manager. `url` goes into CLOUD_TELEGRAM_API_URL, `token` into …_TELEGRAM_TOKEN.

    Its fields are what a test sets (host, token, administrators) and what the cloud has sent.
    """

    token: str = TOKEN
    host: str = "127.0.0.1"
    """The address that it listens on: 0.0.0.0 for containers."""
    messages: list[SentMessage] = field(default_factory=list)
    photos: list[SentPhoto] = field(default_factory=list)
    edits: list[SentMessage] = field(default_factory=list)
    """The calls of editMessageText."""
    notices: list[str] = field(default_factory=list)
    """The texts of the calls of answerCallbackQuery."""
    files: dict[str, bytes] = field(default_factory=dict)
    """The files that getFile leads to, by file_id."""
    webhooks: list[dict[str, str]] = field(default_factory=list)
    """The calls of setWebhook."""
    webhook_url: str = ""
    """The webhook that is set; a test may remove or replace it."""
    administrators: set[tuple[str, str]] = field(default_factory=set)
    """The administrators for getChatMember: the id of a group, and the id of a person."""
    calls: list[str] = field(default_factory=list)
    """The name of each method that was called with the right token, also by a call that failed."""
    moved: dict[str, str] = field(default_factory=dict)
    """Groups that have become supergroups: their new ids by the old ones."""
    before_answer: Callable[[], None] | None = None
    """Called once: when the next photo is accepted, and before its sender has the answer."""

    def __post_init__(self) -> None:
        self._changed = threading.Condition()
        self._failures: deque[Failure | None] = deque()
        self._refusals: dict[str, deque[Failure]] = {}
        self._updates: list[dict[str, Any]] = []
        self._released = threading.Event()
        self._message_id = 0
        self._update_id = 0
        self._server: Server | None = None

    @property
    def port(self) -> int:
        """The port that it listens on."""
        assert self._server is not None, "use the double as a context manager"
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """The address of the API, which the token follows."""
        return f"http://127.0.0.1:{self.port}/bot"

    def __enter__(self) -> Self:
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Head and body of an answer go out one by one: with Nagle's algorithm, 40 ms apart.
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                double._answer(self)

            do_GET = do_POST  # noqa: N815 (the name is the standard library's)

            def log_message(self, *_: object) -> None:
                """Write nothing into the output of the test."""

        self._server = Server((self.host, 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self.release()
        self._server.shutdown()
        self._server.server_close()

    # How a test makes it fail, and speaks for people.

    def flood(self, retry_after: int, times: int = 1) -> None:
        """Answer the next sends with 429 and `retry_after` seconds."""
        description = f"Too Many Requests: retry after {retry_after}"
        self._fail(Failure(429, description, retry_after=retry_after), times)

    def break_down(self, times: int = 1, status: int = 500) -> None:
        """Answer the next sends with an error of the server, or with another status."""
        self._fail(Failure(status, "Internal Server Error"), times)

    def refuse(self, status: int, description: str, times: int = 1) -> None:
        """Answer the next sends with a refusal such as 403 `Forbidden: bot was blocked …`."""
        self._fail(Failure(status, description), times)

    def migrate(self, old: str, new: str) -> None:
        """Turn a group into a supergroup: a send to its old id is answered with its new id."""
        self.moved[old] = new

    def refuse_calls(self, method: str, status: int, description: str, times: int = 1) -> None:
        """Answer the next calls of one method with a refusal, such as 401 `Unauthorized`."""
        with self._changed:
            refusals = self._refusals.setdefault(method, deque())
            refusals.extend([Failure(status, description)] * times)

    def hang(self, times: int = 1, *, after: int = 0) -> None:
        """Leave sends without an answer until `release`; before them, `after` sends succeed."""
        with self._changed:
            self._failures.extend([None] * after)
        self._fail(Failure(0, "", hang=True), times)

    def swallow(self, times: int = 1) -> None:
        """Accept the next sends, and leave them without an answer until `release`."""
        self._fail(Failure(0, "", hang=True, taken=True), times)

    def cut(self, times: int = 1, *, taken: bool = False) -> None:
        """Close the connection in the middle of the next answers; `taken` accepts the sends."""
        self._fail(Failure(200, "", cut=True, taken=taken), times)

    def release(self) -> None:
        """Close the connections that hang."""
        self._released.set()

    def receive(
        self,
        chat_id: int,
        text: str = "",
        *,
        language: str = "en",
        kind: str = "private",
        person: int | None = None,
        **more: Any,
    ) -> None:
        """Let a person write to the bot; the next getUpdates has it.

        In a private chat the person has the chat's id; in a group, that of `person`.
        """
        message = written(
            self._next_id(), chat_id, text, language=language, kind=kind, person=person
        )
        self.push({"message": {**message, **more}})

    def press(
        self,
        chat_id: int,
        data: str,
        message_id: int = 1,
        *,
        person: int | None = None,
        accessible: bool = True,
    ) -> None:
        """Let a person press a button under a message, in a group where it is said who.

        Of a message that is not accessible any more Telegram tells its chat and its number alone
        (https://core.telegram.org/bots/api#inaccessiblemessage).
        """
        query = pressed(chat_id, data, message_id, person=person, accessible=accessible)
        self.push({"callback_query": query})

    def photograph(self, chat_id: int, picture: bytes, *, said_size: int | None = None) -> None:
        """Let a person send a photo."""
        name = f"photo-{len(self.files)}"
        self.files[name] = picture
        size = {"file_id": name, "file_unique_id": name, "width": 640, "height": 640}
        self.receive(chat_id, photo=[{**size, "file_size": said_size or len(picture)}])

    def push(self, update: dict[str, Any]) -> None:
        """Send the bot an update with any content."""
        with self._changed:
            self._update_id += 1
            self._updates.append({"update_id": self._update_id, **update})
            self._changed.notify_all()

    # How a test waits for a message.

    def wait_for_photos(self, count: int = 1, timeout_s: float = 45.0) -> Sequence[SentPhoto]:
        """Return the photos once there are `count`; fail if they do not come in time."""
        self.wait_until(lambda: len(self.photos) >= count, timeout_s, f"{count} photos")
        return tuple(self.photos)

    def wait_for_messages(self, count: int = 1, timeout_s: float = 45.0) -> Sequence[SentMessage]:
        """Return the messages once there are `count`; fail if they do not come in time."""
        self.wait_until(lambda: len(self.messages) >= count, timeout_s, f"{count} messages")
        return tuple(self.messages)

    def wait_for_edits(self, count: int = 1, timeout_s: float = 45.0) -> Sequence[SentMessage]:
        """Return the edits once there are `count`; fail if they do not come in time."""
        self.wait_until(lambda: len(self.edits) >= count, timeout_s, f"{count} edits")
        return tuple(self.edits)

    def wait_for_notices(self, count: int = 1, timeout_s: float = 45.0) -> Sequence[str]:
        """Return the answers to presses once there are `count`; fail if that takes too long."""
        self.wait_until(lambda: len(self.notices) >= count, timeout_s, f"{count} notices")
        return tuple(self.notices)

    def wait_for_calls(self, method: str, count: int = 1, timeout_s: float = 45.0) -> None:
        """Return once a method was called `count` times, also by calls that failed."""
        self.wait_until(lambda: self.calls.count(method) >= count, timeout_s, f"{count} {method}")

    def wait_until(self, holds: Callable[[], bool], timeout_s: float, wanted: str) -> None:
        """Return once `holds` is true; fail if that takes too long. Each call checks it again."""
        with self._changed:
            if not self._changed.wait_for(holds, timeout_s):
                raise AssertionError(
                    f"the Bot API double waited {timeout_s} s for {wanted}, and has "
                    f"{len(self.photos)} photos, {len(self.messages)} messages, {self.calls[-20:]}"
                )

    def _fail(self, failure: Failure, times: int) -> None:
        with self._changed:
            self._failures.extend([failure] * times)

    # How it answers.

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        length = int(request.headers.get("Content-Length", 0))
        body = request.rfile.read(length)
        if len(body) < length:  # the caller was killed while it wrote
            request.close_connection = True
            return
        fields, files = parameters(request.headers.get("Content-Type", ""), body)
        fields.update(parse_qsl(urlsplit(request.path).query))
        path = unquote(urlsplit(request.path).path)
        if path.startswith(f"/file/bot{self.token}/"):
            send(request, 200, "image/png", self.files[path.rpartition("/")[2]])
            return
        prefix, _, method = urlsplit(request.path).path.rpartition("/")
        if prefix != f"/bot{self.token}":
            reply(request, 401, error(401, "Unauthorized"))
            return
        failure = None
        with self._changed:
            self.calls.append(method)
            if method in {"sendMessage", "sendPhoto"} and self._failures:
                failure = self._failures.popleft()
            if self._refusals.get(method):
                failure = self._refusals[method].popleft()
            self._changed.notify_all()
        moved_to = self.moved.get(fields.get("chat_id", ""))
        if moved_to is not None and method in {"sendMessage", "sendPhoto"}:
            description = "Bad Request: group chat was upgraded to a supergroup chat"
            reply(request, 400, error(400, description, moved_to=moved_to))
            return
        if failure is not None and failure.taken:
            self._result(method, fields, files, answered=False)
        if failure is not None and failure.hang:
            self._released.wait()
            request.close_connection = True
            return
        if failure is not None and failure.cut:
            cut_short(request)
            return
        if failure is not None:
            reply(
                request,
                failure.status,
                error(failure.status, failure.description, failure.retry_after),
            )
            return
        result = self._result(method, fields, files)
        if method == "sendPhoto":
            with self._changed:
                call, self.before_answer = self.before_answer, None
            if call is not None:
                call()
        if result is None:
            reply(request, 404, error(404, "Not Found"))
        else:
            reply(request, 200, {"ok": True, "result": result[0]})

    def _result(
        self,
        method: str,
        fields: dict[str, str],
        files: dict[str, tuple[str, bytes]],
        *,
        answered: bool = True,
    ) -> tuple[Any] | None:
        match method:
            case "getMe":
                return (
                    {"id": 123456, "is_bot": True, "first_name": "Gate", "username": "gate_bot"},
                )
            case "getUpdates":
                return (self._updates_after(fields),)
            case "sendMessage":
                sent = SentMessage(
                    fields["chat_id"],
                    fields["text"],
                    time.monotonic(),
                    self._next_id(),
                    fields.get("reply_markup", ""),
                    fields.get("disable_notification", "") in {"true", "True"},
                    answered,
                )
                return (self._keep(self.messages, sent, {"text": sent.text}),)
            case "sendPhoto":
                name, content = files["photo"]
                photo = SentPhoto(
                    fields["chat_id"],
                    fields.get("caption", ""),
                    content,
                    name,
                    time.monotonic(),
                    answered,
                )
                size = {"file_id": "p", "file_unique_id": "p", "width": 370, "height": 370}
                return (self._keep(self.photos, photo, {"photo": [size]}),)
            case "editMessageText":
                message_id = int(fields["message_id"])
                edit = SentMessage(fields["chat_id"], fields["text"], time.monotonic(), message_id)
                return (self._keep(self.edits, edit, {"text": edit.text}),)
            case "answerCallbackQuery":
                with self._changed:
                    self.notices.append(fields.get("text", ""))
                    self._changed.notify_all()
                return (True,)
            case "getFile":
                name = fields["file_id"]
                kept = {"file_id": name, "file_unique_id": name, "file_path": f"photos/{name}"}
                return ({**kept, "file_size": len(self.files[name])},)
            case "setWebhook":
                with self._changed:
                    self.webhooks.append(fields)
                    self.webhook_url = fields["url"]
                    self._changed.notify_all()
                return (True,)
            case "getChatMember":
                chat, user = fields["chat_id"], fields["user_id"]
                return (member(user, administrator=(chat, user) in self.administrators),)
            case "getWebhookInfo":
                info = {"url": self.webhook_url, "has_custom_certificate": False}
                return ({**info, "pending_update_count": 0},)
            case "deleteWebhook":
                self.webhook_url = ""
                return (True,)
            case "setMyCommands" | "logOut" | "close":
                return (True,)
        return None

    def _keep(self, kept: list[Any], sent: Any, content: dict[str, Any]) -> dict[str, Any]:
        message_id = getattr(sent, "message_id", 0) or self._next_id()
        with self._changed:
            kept.append(sent)
            self._changed.notify_all()
        chat = {"id": int(sent.chat_id) if sent.chat_id.lstrip("-").isdigit() else 1}
        return {
            "message_id": message_id,
            "date": int(time.time()),
            "chat": {**chat, "type": "private"},
            **content,
        }

    def _next_id(self) -> int:
        with self._changed:
            self._message_id += 1
            return self._message_id

    def _updates_after(self, fields: dict[str, str]) -> list[dict[str, Any]]:
        offset = int(fields.get("offset", 0))
        limit = int(fields.get("limit", 100))
        waiting = float(fields.get("timeout", 0))

        def due() -> list[dict[str, Any]]:
            return [update for update in self._updates if update["update_id"] >= offset]

        with self._changed:
            # An offset confirms all updates before it, which are then forgotten.
            self._updates = due()
            self._changed.wait_for(lambda: bool(due()) or self._released.is_set(), min(waiting, 2))
            return due()[:limit]
