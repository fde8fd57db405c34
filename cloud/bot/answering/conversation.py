"""The conversation: the answer to each request of a chat, in the chat's language.

This file imports nothing of Telegram's library, and neither do the files that it calls.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TypeVar
from uuid import UUID

import structlog

from cloud.bot.answering.alert_button import Acknowledged, press
from cloud.bot.answering.chat_request import ChatRequest, language_of
from cloud.bot.answering.chat_settings import ChatSettings
from cloud.bot.answering.commands import Commands
from cloud.bot.answering.membership import Membership
from cloud.bot.answering.scanning import Scanner
from cloud.contract import Language
from cloud.errors import StoreError
from cloud.notify.texts import bot_text
from cloud.store import Store, now

log = structlog.get_logger("cloud.bot")

A = TypeVar("A")


class Conversation:
    """Answers chats, and says so where the store is away. Safe to be called from several threads.

    Args:
        store: Keeps all that the answers rest on.
        visitor_wait: How long a visitor waits at a gate for a pass.
        pass_lifetime: How long a pass is valid at a gate that has no lifetime of its own.
        clock: Returns the time now.
        zone: The zone in which times are told at a gate without a zone of its own.
    """

    def __init__(
        self,
        store: Store,
        visitor_wait: timedelta,
        pass_lifetime: timedelta,
        clock: Callable[[], datetime] = now,
        zone: tzinfo = UTC,
    ) -> None:
        self._store = store
        self._clock = clock
        self._zone = zone
        self._settings = ChatSettings(store, clock, zone)
        self._scanner = Scanner(store, clock, zone)
        self._commands = Commands(
            store,
            self._settings,
            self._scanner,
            visitor_wait=visitor_wait,
            pass_lifetime=pass_lifetime,
            clock=clock,
            zone=zone,
        )
        self.membership = Membership(store, clock)

    def answer(self, request: ChatRequest) -> str | None:
        """Return the answer to a command or a text; None where there is none."""
        return self._find(
            request, lambda language: self._commands.follow(request, language), _unavailable
        )

    def answer_photo(self, request: ChatRequest, picture: bytes) -> str:
        """Return the answer to a photo that may show the QR code of a pass."""
        return self._find(
            request,
            lambda language: self._scanner.scan_photo(request, picture, language),
            _unavailable,
        )

    def refuse_photo(self, request: ChatRequest) -> str | None:
        """Return the answer to somebody whose photos are not read; None for gate staff."""

        def find(language: Language) -> str | None:
            is_staff = bool(self._store.staff.of_chat(request.chat))
            return None if is_staff else bot_text("not_staff", language)

        return self._find(request, find, _unavailable)

    def say(self, request: ChatRequest, name: str) -> str:
        """Return the text of that name in the chat's language, also while the store is away."""

        def find(language: Language) -> str:
            return bot_text(name, language)

        return self._find(request, find, find)

    def acknowledge(self, request: ChatRequest, data: str) -> Acknowledged:
        """Note that a person takes care of an alert; the first who presses the button does."""
        return self._find(
            request,
            lambda language: press(
                self._store, request, data, language, self._clock(), zone=self._zone
            ),
            lambda language: Acknowledged(_unavailable(language), []),
        )

    def needs_administrator(self, request: ChatRequest) -> bool:
        """Return whether the answer depends on whether the person administers the group."""
        try:
            return self._settings.needs_administrator(request)
        except StoreError:
            log.warning("store_unavailable")
            return False

    def show_later(self, event_id: UUID) -> None:
        """Let a worker show in an event's alerts who takes care of it."""
        try:
            self._store.deliveries.show_acknowledgement(event_id, self._clock())
        except StoreError as error:
            log.warning("acknowledgement_not_shown", event_id=str(event_id), reason=str(error))

    def _find(
        self,
        request: ChatRequest,
        find: Callable[[Language], A],
        without_store: Callable[[Language], A],
    ) -> A:
        """Find an answer in the chat's language, which is that of the person's Telegram at first.

        Args:
            request: The request that is answered.
            find: Returns the answer.
            without_store: Returns the answer while the store is away.

        Returns:
            The answer.
        """
        language = language_of(request.language_code)
        try:
            language = self._store.chats.language(request.chat) or language
            return find(language)
        except StoreError:
            log.warning("store_unavailable")
            return without_store(language)


def _unavailable(language: Language) -> str:
    return bot_text("unavailable", language)
