"""Intake: updates on their way from Telegram to whoever answers. None is lost.

An update is kept in the store before it is confirmed to Telegram, until it is dealt with; so a
chat that takes long to answer does not keep the next updates from coming, and the next bot answers
what a killed one had in hand. With the store away an update is confirmed once it is answered.
A bot that is killed in the instant between an answer and the note of it leaves the update to be
answered again; a pass made or redeemed in it is the same one then (cloud/bot/conversation.py).
Updates of a flood are dropped: confirmed, and not answered.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence

import structlog
from telegram import Bot, Chat, Message, Update

from cloud import invitations, meters
from cloud.bot.lanes import Admission, Lanes, Letter
from cloud.bot.updates import readable
from cloud.errors import StoreError
from cloud.store import Sender, Store

log = structlog.get_logger("cloud.bot")

Answer = Callable[[Update], Awaitable[None]]


class Intake:
    """Takes updates in, and hands them on by chat.

    Args:
        store: keeps what is not dealt with yet.
        bot: who the updates are for; it is initialized before the first is taken.
        answer: deals with one update.
        slow_down: tells the sender of an update that their messages are dropped.
        strangers_per_second: answers a second to those of whom nothing is known.
    """

    def __init__(
        self,
        store: Store,
        bot: Bot,
        answer: Answer,
        slow_down: Answer,
        strangers_per_second: float,
    ) -> None:
        self._store = store
        self._bot = bot
        self._answer = answer
        self._slow_down = slow_down
        self._in_hand: set[int] = set()
        self._recovered = False
        clock = asyncio.get_running_loop().time
        self._lanes = Lanes(self._deal_with, strangers_per_second, clock)

    async def run(self) -> None:
        """Deal with what is taken in, until cancelled."""
        await self._lanes.run()

    async def close(self, within_s: float) -> None:
        """Wait for the answers in hand; the next bot gives the rest."""
        await self._lanes.close(within_s)

    async def recover(self) -> None:
        """Take in what another bot kept and did not deal with, once the store says what that is."""
        if self._recovered:
            return
        try:
            kept = await asyncio.to_thread(self._store.updates.waiting, self._bot.id)
        except StoreError as error:
            log.warning("kept_updates_unread", reason=str(error))
            return
        self._recovered = True
        asked = []
        for number, document in kept.items():
            # What cannot be read any more is emptied, as when it comes from Telegram.
            update = Update.de_json(
                readable({"update_id": number, **json.loads(document)}), self._bot
            )
            sender = _sender_of(update)
            if sender is None:
                await self._note(update)
            elif number not in self._in_hand:
                asked.append((update, sender))
        known_ones = await self._known([sender for _, sender in asked])
        for (update, sender), known in zip(asked, known_ones, strict=True):
            self._put(update, sender, known=known, admitted=False)
        if asked:
            log.info("kept_updates_taken_over", count=len(asked))

    async def take(self, updates: Sequence[Update]) -> None:
        """Return when the updates may be confirmed to Telegram."""
        asked = [
            (update, sender)
            for update in updates
            if update.update_id not in self._in_hand and (sender := _sender_of(update)) is not None
        ]
        if not asked:
            return
        known_ones = await self._known([sender for _, sender in asked])
        taken: list[tuple[Update, Sender, bool]] = []
        for (update, sender), known in zip(asked, known_ones, strict=True):
            admission = self._lanes.admit(sender.chat, sender.person, known=known)
            if admission is Admission.TAKEN:
                taken.append((update, sender, known))
                continue
            meters.update_dropped()
            log.warning("update_dropped", chat=sender.chat, update_id=update.update_id)
            if admission is Admission.SLOW_DOWN and _is_private(update):
                letter = Letter(
                    update.update_id, sender.chat, sender.person, known, update, admitted=False
                )
                letter.slow_down = True
                self._lanes.put(letter)
        kept = await self._keep([update for update, _, _ in taken])
        letters = [
            self._put(update, sender, known=known, admitted=True) for update, sender, known in taken
        ]
        if not kept:
            await asyncio.gather(*(letter.dealt_with for letter in letters))

    def _put(self, update: Update, sender: Sender, *, known: bool, admitted: bool) -> Letter:
        letter = Letter(
            update.update_id, sender.chat, sender.person, known, update, admitted=admitted
        )
        self._in_hand.add(update.update_id)
        self._lanes.put(letter)
        return letter

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

    async def _deal_with(self, letter: Letter) -> None:
        update: Update = letter.content
        if letter.slow_down:
            await self._slow_down(update)
            return
        try:
            if await self._is_dealt_with(update):
                log.info(
                    "update_repeated",
                    update_id=update.update_id,
                    reason="an update came again",
                )
            else:
                await self._answer(update)
                meters.update_answered()
            await self._note(update)
        finally:
            self._in_hand.discard(update.update_id)

    async def _is_dealt_with(self, update: Update) -> bool:
        try:
            return await asyncio.to_thread(
                self._store.updates.is_handled, self._bot.id, update.update_id
            )
        except StoreError as error:
            # Who asks is told that the store is away.
            log.warning("update_not_looked_up", reason=str(error))
            return False

    async def _note(self, update: Update) -> None:
        try:
            await asyncio.to_thread(
                self._store.updates.mark_handled, self._bot.id, update.update_id
            )
        except StoreError as error:
            log.warning("update_not_noted", reason=str(error))


def _sender_of(update: Update) -> Sender | None:
    """Return who is to be answered; None where nobody is, so that nothing is kept."""
    try:
        return _sender(update)
    except AttributeError as error:  # the library reads an object though parts of it are missing
        log.warning("update_unreadable", update_id=update.update_id, reason=str(error))
        return None


def _sender(update: Update) -> Sender | None:
    if update.callback_query is not None:
        query = update.callback_query
        chat = str(query.message.chat.id) if query.message is not None else ""
        return Sender(chat or str(query.from_user.id), str(query.from_user.id))
    if update.my_chat_member is not None:
        chat = str(update.my_chat_member.chat.id)
        return Sender(chat, chat)
    message = update.message
    if message is None or not _is_for_us(message):
        return None
    chat = str(message.chat.id)
    who = message.sender_chat or message.from_user
    payload = _start_payload(message)
    code = payload.removeprefix(invitations.GATE_PREFIX)
    is_link = code != payload
    return Sender(
        chat,
        str(who.id) if who is not None else chat,
        gate_code=code if is_link else "",
        pairing_code="" if is_link else payload,
    )


def _is_for_us(message: Message) -> bool:
    """Whether a message may get an answer; a group's small talk and other bots get none."""
    if message.migrate_to_chat_id is not None or message.migrate_from_chat_id is not None:
        return True
    person = message.from_user
    # A group's anonymous administrator is a bot to Telegram, and has a sender_chat.
    if message.sender_chat is None and person is not None and person.is_bot:
        return False
    return message.chat.type == Chat.PRIVATE or (message.text or message.caption or "").startswith(
        "/"
    )


def _start_payload(message: Message) -> str:
    """Return what follows /start, or nothing."""
    first, *rest = (message.text or "").split(maxsplit=1)[:2] or [""]
    command = first.partition("@")[0].lower()
    return rest[0].strip() if command == "/start" and rest else ""


def _is_private(update: Update) -> bool:
    chat = update.effective_chat
    return chat is not None and chat.type == Chat.PRIVATE
