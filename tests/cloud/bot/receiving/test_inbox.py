"""The inbox loses no update of a bot that is killed, and none is answered twice."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from cloud.store import Store
from tests.cloud.bot.conftest import bot_environment
from tests.cloud.processes import process
from tests.doubles.bot_api import BotApiDouble
from tests.doubles.redis_server import RedisServer, free_port

SECRET = {"X-Telegram-Bot-Api-Secret-Token": "a-secret-of-a-test"}

BOT_ID = 123456


@pytest.mark.usefixtures("store")
def test_the_next_bot_answers_once_each_update_that_a_killed_bot_had(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    with BotApiDouble() as api:
        env = bot_environment(redis_server.url, api)
        # Three chats write at once. Two get their answers, and the answer to the third one hangs.
        api.hang(after=1)
        for chat in (1, 2, 3):
            for _ in range(2):
                api.receive(chat, "/help")
        with process("bot", env=env, log=tmp_path / "first.log") as first:
            api.wait_for_messages(4)
            # The next call confirms all updates, also those without an answer.
            api.wait_for_calls("getUpdates", 3)
            first.running.kill()
            first.running.wait()
        answered = [message.chat_id for message in api.messages]
        with process("bot", env=env, log=tmp_path / "second.log"):
            api.wait_for_messages(6, timeout_s=60)
            api.receive(4, "/help")
            api.wait_for_messages(7)
        assert answered.count(answered[0]) == 2
        chats = [message.chat_id for message in api.messages]
        assert sorted(chats) == ["1", "1", "2", "2", "3", "3", "4"]


def test_an_update_that_was_answered_before_is_skipped(
    store: Store, redis_server: RedisServer, tmp_path: Path
) -> None:
    with BotApiDouble() as api:
        env = bot_environment(redis_server.url, api)
        api.receive(1, "/help")
        api.receive(2, "/help")
        store.updates.mark_handled(BOT_ID, 1)
        with process("bot", env=env, log=tmp_path / "bot.log") as bot:
            api.wait_for_messages(1, timeout_s=60)
            api.receive(3, "/help")
            api.wait_for_messages(2)
        assert [message.chat_id for message in api.messages] == ["2", "3"]
        assert bot.log.count("update_repeated") == 1
    assert store.updates.waiting(BOT_ID) == {}


@pytest.mark.usefixtures("store")
def test_a_bot_that_stops_ends_its_answer_and_leaves_the_other_updates_to_the_next(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    with BotApiDouble() as api:
        env = bot_environment(redis_server.url, api)
        for _ in range(6):  # a chat gets one message a second
            api.receive(1, "/help")
        with process("bot", env=env, log=tmp_path / "first.log") as first:
            api.wait_for_messages(1)
            first.running.terminate()
            assert first.running.wait(timeout=60) == 0
        assert len(api.messages) < 6
        with process("bot", env=env, log=tmp_path / "second.log"):
            api.wait_for_messages(6)
            api.receive(2, "/help")
            api.wait_for_messages(7)
        assert [message.chat_id for message in api.messages] == [*["1"] * 6, "2"]


@pytest.mark.usefixtures("store")
def test_a_webhooks_update_is_confirmed_once_it_is_kept_and_answered_once(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    with BotApiDouble() as api:
        port = free_port()
        env = bot_environment(
            redis_server.url,
            api,
            CLOUD_PUBLIC_URL="https://gate.example.org",
            CLOUD_TELEGRAM_WEBHOOK_SECRET=SECRET["X-Telegram-Bot-Api-Secret-Token"],
            CLOUD_TELEGRAM_WEBHOOK_PORT=str(port),
        )
        api.hang(after=1)
        with (
            process("bot", env=env, log=tmp_path / "first.log") as first,
            httpx.Client(
                base_url=f"http://127.0.0.1:{port}",
                headers=SECRET,
                transport=httpx.HTTPTransport(retries=7),
                timeout=30,
            ) as telegram,
        ):
            api.wait_for_calls("setWebhook", timeout_s=60)
            for _ in range(2):
                assert telegram.post("/telegram", json=update(1)).is_success
            api.wait_for_messages(1)
            assert telegram.post("/telegram", json=update(2)).is_success
            api.wait_for_calls("sendMessage", 2)
            first.running.kill()
            first.running.wait()
        with process("bot", env=env, log=tmp_path / "second.log"):
            api.wait_for_messages(2, timeout_s=60)
        assert [message.chat_id for message in api.messages] == ["1", "2"]


def test_with_the_store_away_an_update_is_confirmed_once_it_is_answered(tmp_path: Path) -> None:
    with BotApiDouble() as api:
        env = bot_environment(f"redis://127.0.0.1:{free_port()}/0", api)
        api.hang()
        api.receive(1, "/status")
        with process("bot", env=env, log=tmp_path / "first.log") as first:
            api.wait_for_calls("sendMessage", 1)
            assert api.calls.count("getUpdates") == 1
            first.running.kill()
            first.running.wait()
        with process("bot", env=env, log=tmp_path / "second.log"):
            assert "try again" in api.wait_for_messages(1, timeout_s=60)[0].text


def update(number: int) -> dict[str, Any]:
    chat = {"id": number, "type": "private", "first_name": "Ada"}
    message = {"message_id": number, "date": 0, "chat": chat, "text": "/help"}
    return {"update_id": number, "message": message}
