"""The bot as a process: it answers, stands by, takes over, and names a wrong setting."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from cloud.__main__ import app
from cloud.contract import Channel, Subscriber
from cloud.store import Store, now
from tests.cloud.conftest import GATE
from tests.cloud.processes import environment, process
from tests.doubles.bot_api import BotApiDouble
from tests.doubles.redis_server import RedisServer, free_port
from tests.ipv6 import BOTH_FAMILIES, needs_ipv6


@pytest.fixture
def api() -> Iterator[BotApiDouble]:
    with BotApiDouble() as double:
        yield double


def test_a_chat_learns_its_id_and_its_gates(
    api: BotApiDouble, store: Store, redis_server: RedisServer, tmp_path: Path
) -> None:
    env = environment(
        redis_server.url, CLOUD_TELEGRAM_TOKEN=api.token, CLOUD_TELEGRAM_API_URL=api.url
    )
    with process("bot", env=env, log=tmp_path / "bot.log") as bot:
        api.receive(42, "/start")
        (welcome,) = api.wait_for_messages(1)
        assert welcome.chat_id == "42"
        assert "The id of this chat is 42" in welcome.text
        assert "no gate yet" in welcome.text

        store.gates.subscribe(
            Subscriber(id="a", gate=GATE, channel=Channel.TELEGRAM, address="42", created_at=now())
        )
        api.receive(42, "/status")
        assert f"told of: {GATE}" in api.wait_for_messages(2)[1].text
        assert store.chats.bot_name() == "gate_bot"
        assert "setMyCommands" in api.calls
        assert api.token not in bot.log
    assert bot.running.returncode == 0


def test_one_bot_of_two_answers_and_the_other_takes_over_from_a_killed_one(
    api: BotApiDouble, store: Store, redis_server: RedisServer, tmp_path: Path
) -> None:
    env = environment(
        redis_server.url, CLOUD_TELEGRAM_TOKEN=api.token, CLOUD_TELEGRAM_API_URL=api.url
    )
    with process("bot", env=env, log=tmp_path / "first.log") as first:
        api.receive(42, "/help")
        api.wait_for_messages(1)
        # The next call confirms the update; until then Telegram hands it to the next bot too.
        api.wait_for_calls("getUpdates", 2)
        with process("bot", env=env, log=tmp_path / "second.log") as second:
            deadline = time.monotonic() + 60
            while "bot_stands_by" not in second.log:
                assert time.monotonic() < deadline, second.log
                time.sleep(0.05)
            first.running.kill()
            first.running.wait()
            api.receive(42, "/help")
            api.wait_for_messages(2, timeout_s=60)
    assert len(api.messages) == 2


def test_an_update_that_cannot_be_read_keeps_nobody_from_an_answer(
    api: BotApiDouble, store: Store, redis_server: RedisServer, tmp_path: Path
) -> None:
    env = environment(
        redis_server.url, CLOUD_TELEGRAM_TOKEN=api.token, CLOUD_TELEGRAM_API_URL=api.url
    )
    api.push({"message": {"text": 7}})
    api.receive(42, "/help")
    with process("bot", env=env, log=tmp_path / "bot.log") as bot:
        api.wait_for_messages(1)
        api.push({"callback_query": "not even an object"})
        api.receive(42, "/status")
        api.wait_for_messages(2)
        # Until the next call confirms them, a bot that is stopped is handed both once more.
        api.wait_for_calls("getUpdates", api.calls.count("getUpdates") + 1)
    assert bot.running.returncode == 0
    assert bot.log.count("update_unreadable") == 2


def test_updates_come_to_a_webhook_with_its_secret_and_without_it_nowhere(
    api: BotApiDouble, store: Store, redis_server: RedisServer, tmp_path: Path
) -> None:
    port = free_port()
    env = environment(
        redis_server.url,
        CLOUD_TELEGRAM_TOKEN=api.token,
        CLOUD_TELEGRAM_API_URL=api.url,
        CLOUD_PUBLIC_URL="https://gate.example.org",
        CLOUD_TELEGRAM_WEBHOOK_SECRET="a-secret-of-a-test",
        CLOUD_TELEGRAM_WEBHOOK_PORT=str(port),
    )
    update = {
        "update_id": 7,
        "message": {
            "message_id": 1,
            "date": 0,
            "chat": {"id": 42, "type": "private", "first_name": "Ada"},
            "text": "/help",
        },
    }
    with process("bot", env=env, log=tmp_path / "bot.log"):
        api.wait_for_calls("setWebhook", timeout_s=60)
        (hook,) = api.webhooks
        assert hook["url"] == "https://gate.example.org/telegram"
        assert hook["secret_token"] == "a-secret-of-a-test"
        at = f"http://127.0.0.1:{port}/telegram"
        header = "X-Telegram-Bot-Api-Secret-Token"
        # The webhook is announced a moment before its server listens: as Telegram does, try again.
        retrying = httpx.HTTPTransport(retries=7)
        with httpx.Client(transport=retrying, timeout=30) as telegram:
            assert telegram.post(at, json=update).status_code == 403
            assert telegram.post(at, json=update, headers={header: "another"}).status_code == 403
            secret = {header: hook["secret_token"]}
            assert telegram.post(at, json=update, headers=secret).is_success
        assert "/status" in api.wait_for_messages(1)[0].text
    assert "getUpdates" not in api.calls


@needs_ipv6
def test_a_webhook_on_every_address_is_heard_on_ipv6_and_ipv4(
    api: BotApiDouble, redis_server: RedisServer, tmp_path: Path
) -> None:
    port = free_port()
    env = environment(
        redis_server.url,
        CLOUD_HOST="::",
        CLOUD_TELEGRAM_TOKEN=api.token,
        CLOUD_TELEGRAM_API_URL=api.url,
        CLOUD_PUBLIC_URL="https://gate.example.org",
        CLOUD_TELEGRAM_WEBHOOK_SECRET="a-secret-of-a-test",
        CLOUD_TELEGRAM_WEBHOOK_PORT=str(port),
    )
    with process("bot", env=env, log=tmp_path / "bot.log") as bot:
        # Asked for once the server listens, by what watches it.
        api.wait_for_calls("getWebhookInfo", timeout_s=60)
        for host in BOTH_FAMILIES:
            answer = httpx.post(f"http://{host}:{port}/telegram", json={}, timeout=30)
            assert answer.status_code == 403
        assert "does not listen" not in bot.log


def test_with_the_store_away_the_bot_says_so(api: BotApiDouble, tmp_path: Path) -> None:
    env = environment(
        f"redis://127.0.0.1:{free_port()}/0",
        CLOUD_TELEGRAM_TOKEN=api.token,
        CLOUD_TELEGRAM_API_URL=api.url,
    )
    with process("bot", env=env, log=tmp_path / "bot.log"):
        api.receive(42, "/status")
        assert "try again" in api.wait_for_messages(1)[0].text


@pytest.mark.usefixtures("restored_logging")
def test_without_a_token_the_bot_says_how_to_get_one(redis_server: RedisServer) -> None:
    done = CliRunner().invoke(app, ["bot"], env={"CLOUD_REDIS_URL": redis_server.url})
    assert done.exit_code == 2
    assert "CLOUD_TELEGRAM_TOKEN is not set" in done.stderr
    assert "@BotFather" in done.stderr


def test_a_wrong_token_is_named_and_not_shown(
    api: BotApiDouble, redis_server: RedisServer, tmp_path: Path
) -> None:
    env = environment(
        redis_server.url, CLOUD_TELEGRAM_TOKEN="1:wrong", CLOUD_TELEGRAM_API_URL=api.url
    )
    with process("bot", env=env, log=tmp_path / "bot.log") as bot:
        assert bot.running.wait(timeout=60) == 2
        assert "Telegram does not know the token" in bot.log
        assert "1:wrong" not in bot.log
