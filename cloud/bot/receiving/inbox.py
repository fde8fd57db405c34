"""The inbox: it keeps each update in the store until the update is answered, so that none is lost.

The inbox keeps an update before the bot confirms it to Telegram. So a chat whose answer takes long
does not delay the next updates, and the next bot answers what a killed bot had not answered yet.
While the store is away, the bot confirms an update only once it is answered.

A bot that is killed in the instant between an answer and the note of it leaves the update to be
answered again. The id of a pass and the nonce of a redemption follow from the message
(`answering/commands`, `answering/scanning`), so no pass is made or redeemed twice.

The inbox drops the updates of a flood: they are confirmed, and not answered.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence

import structlog
from telegram import Bot, Update

from cloud import meters
from cloud.bot.receiving.chat_queues import ChatQueues, QueuedUpdate
from cloud.bot.receiving.flood_control import FloodDecision
from cloud.bot.receiving.senders import is_private, sender_of
from cloud.bot.receiving.update_parsing import emptied_if_unreadable
from cloud.errors import StoreError
from cloud.store import Sender, Store

log = structlog.get_logger("cloud.bot")

Handle = Callable[[Update], Awaitable[None]]


class Inbox:
    """Accepts updates, and queues them by chat.

    Args:
        store: Keeps the updates that are not answered yet.
        bot: The bot that the updates are for; it is initialized before the first is accepted.
        answer: Answers one update.
        send_notice: Asks the sender of an update that is dropped to slow down.
        unknown_per_second: Updates of unknown senders that are answered in a second.
    """

    def __init__(
        self,
        store: Store,
        bot: Bot,
        answer: Handle,
        send_notice: Handle,
        unknown_per_second: float,
    ) -> None:
        self._store = store
        self._bot = bot
        self._answer = answer
        self._send_notice = send_notice
        self._in_progress: set[int] = set()
        self._recovered = False
        clock = asyncio.get_running_loop().time
        self._queues = ChatQueues(self._handle, unknown_per_second, clock)

    async def run(self) -> None:
        """Answer the updates that are accepted, until cancelled."""
        await self._queues.run()

    async def close(self, within_s: float) -> None:
        """Wait for the answers in progress; the next bot gives the others."""
        await self._queues.close(within_s)

    async def recover(self) -> None:
        """Queue the updates that another bot kept and did not answer, once the store is there."""
        if self._recovered:
            return
        try:
            kept = await asyncio.to_thread(self._store.updates.waiting, self._bot.id)
        except StoreError as error:
            log.warning("kept_updates_unread", reason=str(error))
            return
        self._recovered = True
        to_answer = []
        for update_id, document in kept.items():
            update = Update.de_json(
                emptied_if_unreadable({"update_id": update_id, **json.loads(document)}), self._bot
            )
            sender = sender_of(update)
            if sender is None:
                await self._mark_handled(update)
            elif update_id not in self._in_progress:
                to_answer.append((update, sender))
        known_ones = await self._known([sender for _, sender in to_answer])
        for (update, sender), known in zip(to_answer, known_ones, strict=True):
            self._put(update, sender, known=known, counted=False)
        if to_answer:
            log.info("kept_updates_taken_over", count=len(to_answer))

    async def accept(self, updates: Sequence[Update]) -> None:
        """Keep and queue updates. When this returns, they may be confirmed to Telegram."""
        to_answer = [
            (update, sender)
            for update in updates
            if update.update_id not in self._in_progress
            and (sender := sender_of(update)) is not None
        ]
        if not to_answer:
            return
        known_ones = await self._known([sender for _, sender in to_answer])
        accepted: list[tuple[Update, Sender, bool]] = []
        for (update, sender), known in zip(to_answer, known_ones, strict=True):
            decision = self._queues.accept(sender.chat, sender.person, known=known)
            if decision is FloodDecision.ACCEPTED:
                accepted.append((update, sender, known))
            else:
                self._drop(update, sender, decision, known=known)
        kept = await self._keep([update for update, _, _ in accepted])
        queued = [
            self._put(update, sender, known=known, counted=True)
            for update, sender, known in accepted
        ]
        if not kept:
            await asyncio.gather(*(each.handled for each in queued))

    def _drop(
        self, update: Update, sender: Sender, decision: FloodDecision, *, known: bool
    ) -> None:
        meters.update_dropped()
        log.warning("update_dropped", chat=sender.chat, update_id=update.update_id)
        if decision is FloodDecision.DROPPED_WITH_NOTICE and is_private(update):
            self._queues.put(
                QueuedUpdate(
                    update.update_id,
                    sender.chat,
                    sender.person,
                    known,
                    update,
                    counted=False,
                    dropped=True,
                )
            )

    def _put(self, update: Update, sender: Sender, *, known: bool, counted: bool) -> QueuedUpdate:
        queued = QueuedUpdate(
            update.update_id, sender.chat, sender.person, known, update, counted=counted
        )
        self._in_progress.add(update.update_id)
        self._queues.put(queued)
        return queued

    async def _known(self, senders: Sequence[Sender]) -> list[bool]:
        try:
            return await asyncio.to_thread(self._store.updates.known, senders)
        except StoreError as error:
            log.warning("senders_unknown", reason=str(error))
            return [False] * len(senders)

    async def _keep(self, updates: Sequence[Update]) -> bool:
        documents = {update.update_id: update.to_json() for update in updates}
        try:
            await asyncio.to_thread(self._store.updates.keep, self._bot.id, documents)
        except StoreError as error:
            log.warning("updates_not_kept", reason=str(error))
            return False
        return True

    async def _handle(self, queued: QueuedUpdate) -> None:
        update: Update = queued.update
        if queued.dropped:
            await self._send_notice(update)
            return
        try:
            if await self._was_handled(update):
                log.info(
                    "update_repeated",
                    update_id=update.update_id,
                    reason="Telegram sent an update again that the bot has answered",
                )
            else:
                await self._answer(update)
                meters.update_answered()
            await self._mark_handled(update)
        finally:
            self._in_progress.discard(update.update_id)

    async def _was_handled(self, update: Update) -> bool:
        try:
            return await asyncio.to_thread(
                self._store.updates.is_handled, self._bot.id, update.update_id
            )
        except StoreError as error:
            # The answer then says that the store is away.
            log.warning("update_not_looked_up", reason=str(error))
            return False

    async def _mark_handled(self, update: Update) -> None:
        try:
            await asyncio.to_thread(
                self._store.updates.mark_handled, self._bot.id, update.update_id
            )
        except StoreError as error:
            log.warning("update_not_noted", reason=str(error))
