"""No update is lost with a bot that is killed, and none is answered twice."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from cloud.bot.handover import Handover
from tests.cloud.processes import environment, process
from tests.doubles.bot_api import BotApiDouble
from tests.doubles.redis_server import RedisServer, free_port

SECRET = {"X-Telegram-Bot-Api-Secret-Token": "a-secret-of-a-test"}


@pytest.mark.usefixtures("store")
def test_updates_that_a_killed_bot_had_are_answered_by_the_next_and_once_each(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    with BotApiDouble() as api:
        env = environment(
            redis_server.url, CLOUD_TELEGRAM_TOKEN=api.token, CLOUD_TELEGRAM_API_URL=api.url
        )
        # Of three that come at once, the bot has answered one, is at the second, and has the third.
        api.hang(after=1)
        for chat in (1, 2, 3):
            api.receive(chat, "/help")
        with process("bot", env=env, log=tmp_path / "first.log") as first:
            api.wait_for_calls("sendMessage", 2)
            assert api.calls.count("getUpdates") == 1
            first.running.kill()
            first.running.wait()
        with process("bot", env=env, log=tmp_path / "second.log") as second:
            api.wait_for_messages(3, timeout_s=60)
            api.receive(4, "/help")
            api.wait_for_messages(4)
        assert [message.chat_id for message in api.messages] == ["1", "2", "3", "4"]
        assert second.log.count("an update came again") == 1


@pytest.mark.usefixtures("store")
def test_a_bot_that_is_told_to_stop_ends_the_answer_in_hand_and_leaves_the_rest_to_the_next(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    with BotApiDouble() as api:
        env = environment(
            redis_server.url, CLOUD_TELEGRAM_TOKEN=api.token, CLOUD_TELEGRAM_API_URL=api.url
        )
        for _ in range(6):  # a chat is told one thing a second
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
def test_a_webhooks_update_is_confirmed_when_it_is_answered_and_answered_once(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    with BotApiDouble() as api:
        port = free_port()
        env = environment(
            redis_server.url,
            CLOUD_TELEGRAM_TOKEN=api.token,
            CLOUD_TELEGRAM_API_URL=api.url,
            CLOUD_PUBLIC_URL="https://gate.example.org",
            CLOUD_TELEGRAM_WEBHOOK_SECRET=SECRET["X-Telegram-Bot-Api-Secret-Token"],
            CLOUD_TELEGRAM_WEBHOOK_PORT=str(port),
        )
        api.hang(after=1)
        with (
            process("bot", env=env, log=tmp_path / "bot.log") as bot,
            httpx.Client(
                base_url=f"http://127.0.0.1:{port}",
                headers=SECRET,
                transport=httpx.HTTPTransport(retries=7),
                timeout=30,
            ) as telegram,
        ):
            api.wait_for_calls("setWebhook", timeout_s=60)
            for _ in range(2):
                assert telegram.post("/telegram", json=said(1)).is_success
            assert len(api.messages) == 1
            with pytest.raises(httpx.ReadTimeout):
                telegram.post("/telegram", json=said(2), timeout=1)
            assert api.calls.count("sendMessage") == 2
            bot.running.kill()
            bot.running.wait()
        assert [message.chat_id for message in api.messages] == ["1"]


def said(number: int) -> dict[str, Any]:
    chat = {"id": number, "type": "private", "first_name": "Ada"}
    message = {"message_id": number, "date": 0, "chat": chat, "text": "/help"}
    return {"update_id": number, "message": message}


async def test_who_puts_an_update_in_waits_until_it_is_dealt_with() -> None:
    handover = Handover()
    first, second = (asyncio.create_task(handover.put(number)) for number in (1, 2))
    for task, number in ((first, 1), (second, 2)):
        assert await handover.get() == number
        assert not task.done()
        handover.task_done()
        await task
    await handover.join()


async def test_an_update_is_dealt_with_though_nobody_waits_for_that_any_more() -> None:
    handover = Handover()
    gone = asyncio.create_task(handover.put(1))
    stays = asyncio.create_task(handover.put(2))
    assert await handover.get() == 1
    gone.cancel()
    handover.task_done()
    assert await handover.get() == 2
    assert not stays.done()
    handover.task_done()
    await stays
    with pytest.raises(ValueError, match="too many times"):
        handover.task_done()
