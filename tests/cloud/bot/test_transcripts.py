"""A real bot says the transcripts of docs/people.md, word for word.

A line of a transcript is a request of a person (`Ada: …`, each in a private chat), an answer of the
bot (`bot → Ada: …`, with its further lines indented), or an event at the gate (`[ … ]`). `<…>`
stands for a value that differs each time.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from cloud.contract import Channel, Event, Label, StaffRole
from cloud.notify.telegram import TelegramNotifier
from cloud.store import Store, now
from cloud.worker import jobs
from cloud.worker.context import JobContext
from tests.cloud import door
from tests.cloud.conftest import GATE
from tests.doubles.bot_api import BotApiDouble

PAGE = Path(__file__).parents[3] / "docs" / "people.md"
TRANSCRIPTS = re.findall(r"```transcript (.*?)\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
CHATS = {"Ada": 601, "Luz": 602, "Guard": 603, "Operator": 604, "Second operator": 605}


@dataclass
class TranscriptPlayer:
    """Plays a transcript: it speaks for the people, and reads the answers of the bot."""

    api: BotApiDouble
    store: Store
    make_event: Callable[..., Event]
    values: dict[str, str] = field(default_factory=dict)
    """The values that `<…>` stands for, by name."""
    read: dict[int, int] = field(default_factory=dict)
    """The number of messages that were read in each chat."""

    def say(self, who: str, text: str) -> None:
        for name, value in self.values.items():
            text = text.replace(f"<{name}>", value)
        if text.startswith("presses "):
            mine = [each for each in self.api.messages if each.chat_id == str(CHATS[who])]
            alert = next(each for each in mine if each.reply_markup)
            data = re.search(r'"callback_data": ?"([^"]+)"', alert.reply_markup)
            assert data is not None
            assert text.removeprefix("presses ") in alert.reply_markup
            self.api.press(CHATS[who], data[1], alert.message_id)
            return
        self.api.receive(CHATS[who], text, language="es" if who == "Luz" else "en")

    def hear(self, who: str) -> str:
        """Return the next message to a person, or the next edit of one."""
        chat = CHATS[who]
        already = self.read.get(chat, 0)

        def texts() -> list[str]:
            message_times = [
                (each.at, each.text)
                for each in [*self.api.messages, *self.api.edits]
                if each.chat_id == str(chat)
            ]
            photo_times = [
                (each.at, f"[the code] {each.caption}")
                for each in self.api.photos
                if each.chat_id == str(chat)
            ]
            return [text for _, text in sorted(message_times + photo_times)]

        self.api.wait_until(lambda: len(texts()) > already, 60, f"word to {who}")
        self.read[chat] = already + 1
        return texts()[already]

    def happen(self, what: str) -> None:
        code = self.store.staff.new_code
        lifetime = timedelta(minutes=15)
        match what:
            case "the code at the gate is scanned":
                self.values["code"] = self.store.visitors.code(GATE)
            case "an operator makes a pairing code for a guard":
                self.values["pairing code"] = code(GATE, StaffRole.GUARD, lifetime, now()).code
            case "a pairing code for an operator":
                self.values["pairing code"] = code(GATE, StaffRole.OPERATOR, lifetime, now()).code
            case "a mask worn well":
                self._accept(Label.WITH_MASK)
            case "a mask under the nose":
                self._accept(Label.INCORRECT_MASK)
            case "no mask":
                self._accept(Label.WITHOUT_MASK)
            case "the worker sends the code":
                self._deliver()
            case _:
                raise AssertionError(f"this test does not know the event [{what}]")

    def _accept(self, label: Label) -> None:
        event = self.make_event(label)
        decision = door.accept(
            self.store,
            event,
            gate=GATE,
            device_id="camera",
            pass_lifetime=timedelta(minutes=5),
            now=now(),
        ).decision
        if decision.issued_pass is not None:
            self.values["token"] = decision.issued_pass.token
        self._deliver(event.id)

    def _deliver(self, event_id: UUID | None = None) -> None:
        notifier = TelegramNotifier(self.api.token, self.api.url)
        jobs.set_context(JobContext(self.store, {Channel.TELEGRAM: notifier}, None))
        kept, _ = self.store.deliveries.page(gate=GATE, status=None, before=None, limit=50)
        for delivery in kept:
            if event_id in {None, delivery.event_id}:
                # A chat gets one message a second, so the job has to be tried again.
                while jobs.deliver(delivery.id) is not None:
                    pass
        notifier.close()


@pytest.fixture
def player(chats: BotApiDouble, store: Store, make_event: Callable[..., Event]) -> TranscriptPlayer:
    return TranscriptPlayer(chats, store, make_event)


def test_there_are_transcripts() -> None:
    assert len(TRANSCRIPTS) >= 4


@pytest.mark.parametrize(
    "written", [text for _, text in TRANSCRIPTS], ids=[title for title, _ in TRANSCRIPTS]
)
def test_a_conversation_goes_as_the_page_shows_it(player: TranscriptPlayer, written: str) -> None:
    held = []
    for line in re.sub(r"\n    ", "\x00", written.strip("\n")).split("\n"):
        if line.startswith("["):
            player.happen(line.strip("[]"))
            held.append(line)
        elif line.startswith("bot → "):
            who = line.removeprefix("bot → ").partition(":")[0]
            said = player.hear(who).replace("\n\n", "\n")
            held.append(f"bot → {who}: " + said.replace("\n", "\x00"))
        else:
            who, _, text = line.partition(": ")
            player.say(who, text)
            held.append(line)
    really = "\n".join(held).replace("\x00", "\n    ")
    pattern = re.sub(r"<[^>]*>", ".+?", re.escape(written.strip("\n")).replace(r"\<", "<"))
    assert re.fullmatch(pattern.replace(r"\>", ">"), really), really
