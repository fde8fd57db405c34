from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cloud.__main__ import app
from cloud.contract import Channel, Subscriber
from cloud.store import Store, now
from tests.cloud.conftest import GATE
from tests.cloud.processes import environment, process
from tests.doubles.bot_api import BotApiDouble
from tests.doubles.redis_server import RedisServer, free_port


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
        api.receive(42, "/help")
        assert "/status" in api.wait_for_messages(3)[2].text
        api.receive(42, "/start@gate_bot again")
        assert GATE in api.wait_for_messages(4)[3].text
        assert "setMyCommands" in api.calls
        assert api.token not in bot.log
    assert bot.running.returncode == 0


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
