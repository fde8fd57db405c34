"""The relay: a gate's stream of the cloud, followed once for all screens of this process."""

import asyncio
import io
import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import segno
from pydantic import ValidationError

from cloud.client import Client as Api
from cloud.client import ClientError, NotFound
from cloud.contract import ScreenState
from dashboard.door.scene import Scene, pass_to_show, scene_of

log = logging.getLogger("dashboard")

RECONNECT_S: Final = 0.5
"""How long the relay waits before it opens a stream again that was not ended by the cloud."""

KEPT_S: Final = 30.0
"""How long a gate is followed after its last screen has gone."""

RELAYS_AT_MOST: Final = 100
"""How many gates one process follows."""


class Relay:
    """Follows one gate on a thread of its own, and wakes the screens in the event loop.

    Args:
        gate_id: The gate.
        open_api: Opens a client of the API.
        shown: How long a refusal, or the end of a pass, stays on the screen.
    """

    def __init__(self, gate_id: str, open_api: Callable[[], Api], shown: timedelta) -> None:
        self.gate_id = gate_id
        self._open_api = open_api
        self._shown = shown
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._state: ScreenState | None = None
        self._said_at = 0.0
        self._code: tuple[UUID, bytes] | None = None
        self._visitor_code: tuple[str, bytes] | None = None
        self._screens = 0
        self._left_at = time.monotonic()
        self.ticks = 0
        """Counts all messages of the cloud."""
        self._thread = threading.Thread(target=self._follow, name=f"gate {gate_id}", daemon=True)
        self._thread.start()

    @property
    def live(self) -> bool:
        """Whether the cloud's last word is still good."""
        return self._state is not None

    @property
    def ended(self) -> bool:
        """Whether the thread has ended, since nobody watches the gate any more."""
        return not self._thread.is_alive()

    @property
    def screens(self) -> frozenset[str]:
        """The ids of the screens that are paired with the gate; empty while nothing is known."""
        return frozenset(self._state.screens) if self._state is not None else frozenset()

    def join(self) -> None:
        """Count one screen more."""
        self._screens += 1

    def leave(self) -> None:
        """Count one screen less."""
        self._screens -= 1
        self._left_at = time.monotonic()

    def scene(self) -> Scene | None:
        """Return the scene as of now; None while nothing is known of the gate."""
        state = self._state
        if state is None:
            return None
        code = self._code
        wanted = pass_to_show(state, self._now(state), self._shown)
        picture = code[1] if code is not None and code[0] == wanted else None
        link = self._visitor_code
        return scene_of(
            state, self._now(state), self._shown, picture, link[1] if link is not None else None
        )

    async def next(self, timeout_s: float) -> None:
        """Return at the cloud's next message, or after so many seconds."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            pass

    def _now(self, state: ScreenState) -> datetime:
        return state.now + timedelta(seconds=time.monotonic() - self._said_at)

    def _wanted(self) -> bool:
        return self._screens > 0 or time.monotonic() - self._left_at < KEPT_S

    def _follow(self) -> None:
        while self._wanted():
            try:
                with self._open_api() as api:
                    self._listen(api)
                continue
            except NotFound:
                reason = "gate_unknown"
            except (ClientError, ValidationError, ValueError) as error:
                reason = type(error).__name__
            if self._state is not None:
                log.warning("gate_lost gate=%s reason=%s", self.gate_id, reason)
            self._publish(None)
            time.sleep(RECONNECT_S)

    def _listen(self, api: Api) -> None:
        for message in api.stream_screen(self.gate_id):
            if not self._wanted():
                return
            if message.kind == "state":
                state = ScreenState.model_validate_json(message.data)
                self._draw(api, state)
                self._publish(state)
            elif message.kind == "unavailable":
                self._publish(None)
            elif message.kind == "tick":
                self._call(self._tell)
            elif message.kind == "closing":
                return

    def _draw(self, api: Api, state: ScreenState) -> None:
        """Read or draw the QR codes of a state; a code that cannot be read is left out."""
        wanted = pass_to_show(state, state.now, self._shown)
        if wanted is None:
            self._code = None
        elif self._code is None or self._code[0] != wanted:
            try:
                self._code = (wanted, api.get_pass_qr_png(wanted))
            except ClientError as error:
                self._code = None
                log.warning("code_not_read gate=%s reason=%s", self.gate_id, type(error).__name__)
        url = state.visitor_url
        if url is None:
            self._visitor_code = None
        elif self._visitor_code is None or self._visitor_code[0] != url:
            picture = io.BytesIO()
            segno.make_qr(url).save(picture, kind="png", scale=6, border=2)
            self._visitor_code = (url, picture.getvalue())

    def _publish(self, state: ScreenState | None) -> None:
        said_at = time.monotonic()

        def keep() -> None:
            self._state, self._said_at = state, said_at
            self._tell()

        self._call(keep)

    def _tell(self) -> None:
        self.ticks += 1
        self._changed.set()
        self._changed = asyncio.Event()

    def _call(self, work: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(work)
        except RuntimeError:  # the loop was closed: the process ends
            self._left_at = float("-inf")
            self._screens = 0


class Relays:
    """The relays of this process, by gate.

    Args:
        open_api: Opens a client of the API.
        shown: How long a refusal, or the end of a pass, stays on the screen.
    """

    def __init__(self, open_api: Callable[[], Api], shown: timedelta) -> None:
        self._open_api = open_api
        self._shown = shown
        self._relays: dict[str, Relay] = {}

    def of(self, gate_id: str) -> Relay | None:
        """Return the relay of a gate; None where this process follows as many as it may."""
        self._relays = {name: relay for name, relay in self._relays.items() if not relay.ended}
        held = self._relays.get(gate_id)
        if held is None:
            if len(self._relays) >= RELAYS_AT_MOST:
                return None
            held = self._relays[gate_id] = Relay(gate_id, self._open_api, self._shown)
        return held
