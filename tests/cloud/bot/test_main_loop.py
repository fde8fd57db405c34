"""The bot as a process: it answers, stands by, takes over, and names a wrong setting."""

from pathlib import Path

import httpx

from cloud.contract import Channel, Subscriber
from cloud.store import Store, now
from tests.cloud.bot.conftest import bot_environment
from tests.cloud.conftest import GATE
from tests.cloud.processes import process
from tests.doubles.bot_api import BotApiDouble
from tests.doubles.redis_server import RedisServer, free_port
from tests.ipv6 import BOTH_FAMILIES, needs_ipv6


def test_a_chat_learns_its_id_and_its_gates(
    api: BotApiDouble, store: Store, redis_server: RedisServer, tmp_path: Path
) -> None:
    env = bot_environment(redis_server.url, api)
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


def test_an_update_that_cannot_be_read_keeps_nobody_from_an_answer(
    api: BotApiDouble, store: Store, redis_server: RedisServer, tmp_path: Path
) -> None:
    env = bot_environment(redis_server.url, api)
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
    env = bot_environment(
        redis_server.url,
        api,
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
    env = bot_environment(
        redis_server.url,
        api,
        CLOUD_HOST="::",
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
    env = bot_environment(f"redis://127.0.0.1:{free_port()}/0", api)
    with process("bot", env=env, log=tmp_path / "bot.log"):
        api.receive(42, "/status")
        assert "try again" in api.wait_for_messages(1)[0].text
