"""The routes of the page at a door: the page, its files, its stream, and the pairing."""

import base64
import hashlib
import html
import json
import logging
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from cloud.client import Client as Api
from cloud.client import ClientError, Refused
from dashboard.door.pairing import COOKIE, COOKIE_AGE_S, Pairing
from dashboard.door.relay import Relay, Relays
from dashboard.errors import SettingsInvalid
from dashboard.settings import Settings, load_settings

log = logging.getLogger("dashboard")

FOLDER: Final = Path(__file__).parent
FILES: Final = {"door.css": "text/css", "door.js": "text/javascript"}
LANGUAGES: Final = tuple(sorted(path.stem for path in (FOLDER / "texts").glob("*.json")))
GATE: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")

HEARTBEAT_S: Final = 1.0
"""How often a screen is told that the cloud is away. Else it is told what the cloud says."""

DURATIONS: Final = frozenset({"left_s", "since_s"})

BODY_AT_MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class Door:
    """What the routes share: the settings, the relays and the pairing."""

    settings: Settings
    relays: Relays
    pairing: Pairing

    @classmethod
    def open(cls, settings: Settings) -> "Door":
        """Return the door of these settings; nothing is connected yet."""

        def api(key: SecretStr | str | None = None) -> Api:
            return Api(
                str(settings.api_url),
                key or settings.api_key,
                timeout_s=settings.api_timeout_s,
                user_agent="maskgate-door",
            )

        shown = timedelta(seconds=settings.verdict_shown_s)
        return cls(settings, Relays(api, shown), Pairing(api))


class DoorRoutes:
    """Answers the requests of the screens.

    The settings are read at the first request, so that a wrong one does not keep the rest of the
    dashboard from saying so.
    """

    def __init__(self) -> None:
        self._door: Door | None = None
        page = (FOLDER / "page" / "door.html").read_text("utf-8")
        self._files = {name: (FOLDER / "page" / name).read_bytes() for name in FILES}
        texts = {
            name: json.loads((FOLDER / "texts" / f"{name}.json").read_text("utf-8"))
            for name in LANGUAGES
        }
        # A text of JSON inside a script element must not be able to end it.
        written = json.dumps(texts, ensure_ascii=False).replace("<", "\\u003c")
        parts = [page.encode(), written.encode(), *self._files.values()]
        self._version = hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
        self._page = page.replace("{{ texts }}", written).replace("{{ version }}", self._version)
        boot = page.partition("<script>")[2].partition("</script>")[0]
        digest = base64.b64encode(hashlib.sha256(boot.encode()).digest()).decode()
        self._headers = {
            "Content-Security-Policy": "default-src 'none'; "
            f"script-src 'self' 'sha256-{digest}'; style-src 'self'; img-src 'self' data:; "
            "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
        }

    async def page(self, request: Request) -> Response:
        """Serve the page; the same for every screen, paired or not."""
        if _gate_of(request) is None:
            return PlainTextResponse("Not found", 404, self._headers)
        language = request.query_params.get("lang", "")
        if language not in LANGUAGES:
            language = self._language()
        body = self._page.replace("{{ language }}", html.escape(language))
        answer = Response(body, media_type="text/html", headers=self._headers)
        key = request.cookies.get(COOKIE)
        if key:
            _give_key(answer, request, key)
        return answer

    async def file(self, request: Request) -> Response:
        """Serve the style sheet or the script; its address names the version."""
        name = request.path_params["name"]
        if name not in self._files:
            return PlainTextResponse("Not found", 404, self._headers)
        headers = {**self._headers, "Cache-Control": "public, max-age=31536000, immutable"}
        return Response(self._files[name], media_type=FILES[name], headers=headers)

    async def pair(self, request: Request) -> Response:
        """Begin a pairing: the screen gets its key in a cookie, and its code in the answer."""
        gate_id = _gate_of(request)
        door = self._opened()
        foreign = request.headers.get("sec-fetch-site", "same-origin") != "same-origin"
        is_json = request.headers.get("content-type", "").startswith("application/json")
        if gate_id is None or door is None or foreign or not is_json:
            return JSONResponse({"problem": "refused"}, 400, self._headers)
        link_code = _link_code(await request.body())
        try:
            pending = await door.pairing.begin(gate_id, link_code)
        except Refused as error:
            return JSONResponse({"problem": str(error.code)}, 403, self._headers)
        except ClientError:
            return JSONResponse({"problem": "away"}, 503, self._headers)
        log.info("screen_asked gate=%s screen=%s", gate_id, pending.id)
        answer = JSONResponse(
            {"paired": pending.paired, "code": pending.code}, headers=self._headers
        )
        _give_key(answer, request, pending.key)
        return answer

    async def stream(self, request: Request) -> Response:
        """Tell a screen what it shows, as server-sent events."""
        gate_id = _gate_of(request)
        door = self._opened()
        relay = door.relays.of(gate_id) if door is not None and gate_id is not None else None
        if door is None or relay is None:
            return PlainTextResponse("Not now", 503, self._headers)
        key = request.cookies.get(COOKIE)
        return StreamingResponse(
            self._told(relay, door.pairing, key),
            media_type="text/event-stream",
            headers={**self._headers, "X-Accel-Buffering": "no"},
        )

    async def _told(self, relay: Relay, pairing: Pairing, key: str | None) -> AsyncIterator[str]:
        """Yield a message at each of the cloud's, and none while the cloud is silent."""
        relay.join()
        last = ""
        ticks = -1
        try:
            yield _message("hello", {"page": self._version})
            if not relay.live:
                await relay.next(HEARTBEAT_S)  # the stream was opened for this screen just now
            while True:
                if not relay.live:
                    last = ""
                    yield _message("lost", {})
                elif relay.ticks != ticks:
                    ticks = relay.ticks
                    kind, data = await self._word(relay, pairing, key)
                    # A duration that runs down is no change: the page counts it down by itself.
                    steady = {name: data[name] for name in data if name not in DURATIONS}
                    said = json.dumps([kind, steady])
                    yield _message(kind, data) if said != last else _message("tick", {})
                    last = said
                await relay.next(HEARTBEAT_S)
        finally:
            relay.leave()

    async def _word(
        self, relay: Relay, pairing: Pairing, key: str | None
    ) -> tuple[str, dict[str, Any]]:
        try:
            paired = await pairing.is_paired(relay.gate_id, key, relay.screens)
        except ClientError:
            return "lost", {}
        scene = relay.scene()
        if not paired:
            return "unpaired", {"code": pairing.code_of(key)}
        return ("lost", {}) if scene is None else ("scene", scene.document())

    def _opened(self) -> Door | None:
        if self._door is None:
            try:
                self._door = Door.open(load_settings())
            except SettingsInvalid as error:
                log.error("settings_invalid what=%s", error.what)  # noqa: TRY400 (the sentence is enough)
        return self._door

    def _language(self) -> str:
        door = self._opened()
        wanted = door.settings.door_language if door is not None else ""
        return wanted if wanted in LANGUAGES else "en"


def door_routes(base_path: str) -> Sequence[Route]:
    """Return the routes of the pages at the doors.

    Args:
        base_path: The path under which the dashboard is served; empty for none.

    Returns:
        The routes, for Streamlit's app.
    """
    answers = DoorRoutes()
    at = f"/{base_path.strip('/')}/door" if base_path.strip("/") else "/door"
    return [
        Route(f"{at}/files/{{name}}", answers.file),
        Route(f"{at}/{{gate}}", answers.page),
        Route(f"{at}/{{gate}}/stream", answers.stream),
        Route(f"{at}/{{gate}}/pair", answers.pair, methods=["POST"]),
    ]


def _gate_of(request: Request) -> str | None:
    gate_id = str(request.path_params["gate"])
    return gate_id if GATE.fullmatch(gate_id) else None


def _link_code(body: bytes) -> str | None:
    try:
        said = json.loads(body[:BODY_AT_MOST] or b"{}")
    except ValueError:
        return None
    code = said.get("link_code") if isinstance(said, dict) else None
    return code if isinstance(code, str) and 0 < len(code) <= 64 else None


def _give_key(answer: Response, request: Request, key: str) -> None:
    # The path keeps the keys of two gates apart that are open in one browser.
    gate_path = request.url.path.removesuffix("/pair")
    answer.set_cookie(
        COOKIE,
        key,
        max_age=COOKIE_AGE_S,
        path=gate_path,
        secure=request.headers.get("x-forwarded-proto", request.url.scheme) == "https",
        httponly=True,
        samesite="strict",
    )


def _message(kind: str, data: dict[str, Any]) -> str:
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n"
