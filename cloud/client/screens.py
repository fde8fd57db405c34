"""Screens at doors: their pairing, and what they show."""

from collections.abc import Iterator

import httpx

from cloud.client.connection import Connection, each
from cloud.client.pages import Page
from cloud.client.stream import StreamMessage, messages
from cloud.contract import NewScreen, PendingScreen, Screen, ScreenConfirmation, ScreenLink

SILENT_AFTER_S = 2.5
"""The API sends a message each second."""


class Screens(Connection):
    """Operations on screens."""

    def create_screen(self, new: NewScreen) -> PendingScreen:
        """Ask for a screen's key, which opens nothing until an operator confirms its code."""
        return self._one(PendingScreen, "POST", "/v1/screens", body=new)

    def list_screens(
        self, *, gate: str | None = None, limit: int | None = None, after: str | None = None
    ) -> Page[Screen]:
        """Read the screens that were paired.

        Args:
            gate: With this gate alone.
            limit: How many at most, 1 to 200; None: all, up to 10,000.
            after: The `next` of the page before.

        Returns:
            The page.
        """
        return self._list(Screen, "/v1/screens", gate=gate, limit=limit, after=after)

    def iter_screens(self, *, gate: str | None = None) -> Iterator[Screen]:
        """Read all screens, page after page."""
        return each(lambda cursor: self.list_screens(gate=gate, after=cursor))

    def confirm_screen(self, gate_id: str, confirmation: ScreenConfirmation) -> Screen:
        """Pair the screen that shows a code with a gate."""
        return self._one(Screen, "POST", "/v1/gates/{}/screens", gate_id, body=confirmation)

    def create_screen_link(self, gate_id: str) -> ScreenLink:
        """Make a one-time code that pairs the first screen which comes with it."""
        return self._one(ScreenLink, "POST", "/v1/gates/{}/screen-links", gate_id)

    def revoke_screen(self, screen_id: str) -> None:
        """Revoke a screen."""
        self._ask("DELETE", "/v1/screens/{}", screen_id)

    def stream_screen(self, gate_id: str) -> Iterator[StreamMessage]:
        """Receive what the screens of a gate show, until the API ends the stream.

        Yields:
            Messages: `state`, `tick`, `unavailable`, `closing`.

        Raises:
            ApiTimedOut: The API was silent for SILENT_AFTER_S.
        """
        timeout = httpx.Timeout(self._timeout_s, read=SILENT_AFTER_S)
        with self._answer("GET", "/v1/gates/{}/screen/stream", gate_id, timeout=timeout) as answer:
            yield from messages(answer.iter_lines())
