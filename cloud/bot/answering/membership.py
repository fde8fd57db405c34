"""The bot's membership of chats: a chat blocks the bot, takes it back, or gets another id."""

from collections.abc import Callable
from datetime import datetime

import structlog

from cloud.contract import Channel
from cloud.errors import StoreError
from cloud.store import Store, subscriber_id

log = structlog.get_logger("cloud.bot")

BOT_REMOVED = "the bot was blocked, or removed from the chat"
"""The reason of a suspension that ends when the chat takes the bot back; the store holds it."""


class Membership:
    """Follows what becomes of chats. Safe to be called from several threads.

    Args:
        store: Keeps the chats' subscriptions and settings.
        clock: Returns the time now.
    """

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    def migrate(self, old: str, new: str) -> None:
        """Move all that is kept of a chat from its old id to its new one."""
        try:
            moved = self._store.migration.move(old, new, self._clock())
        except StoreError as error:
            # The worker that next writes to the old id learns the new one from Telegram, too.
            log.warning("chat_not_migrated", old=old, new=new, reason=str(error))
            return
        log.info("chat_migrated", old=old, new=new, moved=moved)

    def end(self, chat: str) -> None:
        """Suspend the subscriptions of a chat that has blocked or removed the bot."""
        try:
            self._store.visitors.leave(chat)
            for gate in self._store.gates.of_address(Channel.TELEGRAM, chat):
                subscriber = subscriber_id(Channel.TELEGRAM, chat)
                self._store.suspensions.refused(
                    gate, subscriber, BOT_REMOVED, self._clock(), at_once=True
                )
        except StoreError as error:
            log.warning("chat_not_suspended", chat=chat, reason=str(error))
            return
        log.info("bot_removed", chat=chat)

    def resume(self, chat: str) -> None:
        """Resume the subscriptions of a chat that `end` suspended."""
        try:
            for gate in self._store.gates.of_address(Channel.TELEGRAM, chat):
                held = self._store.gates.subscriber(gate, subscriber_id(Channel.TELEGRAM, chat))
                if held is None or held.suspended_reason != BOT_REMOVED:
                    continue
                self._store.suspensions.resume(gate, held.id)
                self._store.audit.record(
                    actor=f"chat:{chat}",
                    act="subscriber.resumed",
                    subject=f"subscriber:{held.id}",
                    gate=gate,
                    now=self._clock(),
                )
        except StoreError as error:
            log.warning("chat_not_resumed", chat=chat, reason=str(error))
            return
        log.info("bot_added", chat=chat)
