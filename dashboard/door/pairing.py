"""Pairing: which screen may show which gate, by the key in the screen's cookie."""

import asyncio
import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cloud.client import Client as Api
from cloud.client import Forbidden, Unauthenticated
from cloud.contract import NewScreen, PendingScreen, Role

COOKIE: Final = "mg_screen"
COOKIE_AGE_S: Final = 400 * 86_400
"""400 days, the longest life of a cookie (RFC 6265bis section 5.5); each visit renews it."""

KEY: Final = re.compile(r"mg_(?P<id>[0-9a-f]{12})_[A-Za-z0-9_-]{43,128}")

REMEMBERED_AT_MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class Waiting:
    """A screen that waits for an operator."""

    code: str
    until: float
    """By the monotonic clock."""


class Pairing:
    """Begins pairings, and checks the keys of screens.

    Args:
        open_api: Opens a client of the API, with the dashboard's own key or with the given one.
    """

    def __init__(self, open_api: Callable[[str | None], Api]) -> None:
        self._open_api = open_api
        self._waiting: dict[str, Waiting] = {}
        self._checked: dict[str, str] = {}

    async def begin(self, gate_id: str, link_code: str | None) -> PendingScreen:
        """Ask the cloud for the key of a new screen.

        Args:
            gate_id: The gate.
            link_code: The code of a one-time link; None for a screen that shows its code.

        Returns:
            The screen with its key.

        Raises:
            ClientError: The cloud refused, or did not answer.
        """
        new = NewScreen(gate=gate_id, link_code=link_code)
        pending = await asyncio.to_thread(self._ask, new)
        if pending.code is not None:
            self._forget_old()
            self._waiting[pending.id] = Waiting(pending.code, time.monotonic() + _CODE_SHOWN_S)
        return pending

    def code_of(self, key: str | None) -> str | None:
        """Return the code that the screen with this key has to show; None where it has none."""
        found = KEY.fullmatch(key or "")
        waiting = self._waiting.get(found["id"]) if found else None
        return waiting.code if waiting is not None and waiting.until > time.monotonic() else None

    async def is_paired(self, gate_id: str, key: str | None, screens: frozenset[str]) -> bool:
        """Return whether the key is that of a screen of the gate.

        Args:
            gate_id: The gate.
            key: The cookie's text.
            screens: The ids of the gate's screens, as the cloud said a moment ago.

        Returns:
            True where the id is among them and the secret is right.

        Raises:
            ClientError: The cloud did not answer.
        """
        found = KEY.fullmatch(key or "")
        if found is None or key is None or found["id"] not in screens:
            return False
        digest = hashlib.sha256(key.encode()).hexdigest()
        if self._checked.get(digest) == gate_id:
            return True
        if not await asyncio.to_thread(self._is_good, gate_id, key):
            return False
        if len(self._checked) >= REMEMBERED_AT_MOST:
            self._checked.clear()
        self._checked[digest] = gate_id
        self._waiting.pop(found["id"], None)
        return True

    def _ask(self, new: NewScreen) -> PendingScreen:
        with self._open_api(None) as api:
            return api.create_screen(new)

    def _is_good(self, gate_id: str, key: str) -> bool:
        try:
            with self._open_api(key) as api:
                own = api.get_own_key()
        except (Unauthenticated, Forbidden):
            return False
        return own.role is Role.KIOSK and own.gate == gate_id

    def _forget_old(self) -> None:
        at = time.monotonic()
        self._waiting = {name: held for name, held in self._waiting.items() if held.until > at}


_CODE_SHOWN_S = 570.0
"""A little less than the ten minutes for which the cloud keeps a code."""
