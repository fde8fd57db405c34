"""A bot that lost its connection says so, gives up its lease, and comes back by itself."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cloud.store import Store
from tests.cloud.bot.conftest import bot_environment
from tests.cloud.processes import Process, process
from tests.doubles.bot_api import BotApiDouble
from tests.doubles.redis_server import RedisServer, free_port


def answers(api: BotApiDouble, chat: int) -> None:
    api.receive(chat, "/help")
    api.wait_until(
        lambda: any(each.chat_id == str(chat) for each in api.messages), 60, f"word to {chat}"
    )


@pytest.mark.parametrize(
    ("status", "description"),
    [(401, "Unauthorized"), (404, "Not Found"), (409, "Conflict: terminated"), (502, "Bad")],
)
@pytest.mark.usefixtures("store")
def test_the_bot_answers_after_one_refusal_of_get_updates(
    api: BotApiDouble, redis_server: RedisServer, tmp_path: Path, status: int, description: str
) -> None:
    env = bot_environment(redis_server.url, api)
    with process("bot", env=env, log=tmp_path / "bot.log") as bot:
        answers(api, 1)
        api.refuse_calls("getUpdates", status, description)
        # A call that was open before is not refused, and could bring the next update.
        api.wait_for_calls("getUpdates", api.calls.count("getUpdates") + 1, timeout_s=60)
        answers(api, 2)
    assert bot.running.returncode == 0
    assert ("bot_deaf" in bot.log) == (status in {401, 404})


def test_a_bot_whose_token_is_refused_gives_up_its_lease(
    api: BotApiDouble, store: Store, redis_server: RedisServer, tmp_path: Path
) -> None:
    port = free_port()
    with BotApiDouble() as refusing:
        of_first = bot_environment(
            redis_server.url,
            refusing,
            CLOUD_METRICS_PORT=str(port),
        )
        of_second = bot_environment(redis_server.url, api)
        with process("bot", env=of_first, log=tmp_path / "first.log") as first:
            answers(refusing, 1)
            with process("bot", env=of_second, log=tmp_path / "second.log"):
                refusing.refuse_calls("getUpdates", 401, "Unauthorized", times=1_000)
                refusing.refuse_calls("getMe", 401, "Unauthorized", times=1_000)
                api.push({})  # update 1 was answered at the other double
                answers(api, 2)
                page = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text
                assert "Telegram refuses the token" in first.log
                assert 'maskgate_bot_updates_total{outcome="answered"} 1.0' in page
                deaf_times = re.search(r"^maskgate_bot_deaf_total (\S+)$", page, re.MULTILINE)
                assert deaf_times is not None
                assert float(deaf_times[1]) >= 1
                assert "maskgate_bot_leads 0.0" in page
        assert refusing.token not in first.log


@pytest.fixture
def bot(
    api: BotApiDouble, store: Store, redis_server: RedisServer, tmp_path: Path
) -> Iterator[Process]:
    env = bot_environment(
        redis_server.url,
        api,
        CLOUD_PUBLIC_URL="https://gate.example.org",
        CLOUD_TELEGRAM_WEBHOOK_SECRET="a-secret-of-a-test",
        CLOUD_TELEGRAM_WEBHOOK_PORT=str(free_port()),
    )
    with process("bot", env=env, log=tmp_path / "bot.log") as bot:
        api.wait_for_calls("getWebhookInfo", timeout_s=60)
        yield bot


@pytest.mark.parametrize("url", ["", "https://elsewhere.example.org/hook"])
def test_a_webhook_that_somebody_else_changed_is_set_again(
    api: BotApiDouble, bot: Process, url: str
) -> None:
    api.webhook_url = url
    api.wait_for_calls("setWebhook", 2, timeout_s=90)
    api.wait_for_calls("getWebhookInfo", 3, timeout_s=60)
    assert api.webhook_url == "https://gate.example.org/telegram"
    assert bot.log.count("bot_deaf") == 1
    assert "elsewhere" not in bot.log
