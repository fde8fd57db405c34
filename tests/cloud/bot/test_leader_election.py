"""One of several bots works, the next takes over, and a bot without a good token does not start."""

import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cloud.__main__ import app
from cloud.store import Store
from tests.cloud.bot.conftest import bot_environment
from tests.cloud.processes import process
from tests.doubles.bot_api import BotApiDouble
from tests.doubles.redis_server import RedisServer


def test_one_bot_of_two_answers_and_the_other_takes_over_from_a_killed_one(
    api: BotApiDouble, store: Store, redis_server: RedisServer, tmp_path: Path
) -> None:
    env = bot_environment(redis_server.url, api)
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


@pytest.mark.usefixtures("restored_logging")
def test_without_a_token_the_bot_says_how_to_get_one(redis_server: RedisServer) -> None:
    done = CliRunner().invoke(app, ["bot"], env={"CLOUD_REDIS_URL": redis_server.url})
    assert done.exit_code == 2
    assert "CLOUD_TELEGRAM_TOKEN is not set" in done.stderr
    assert "@BotFather" in done.stderr


def test_a_wrong_token_is_named_and_not_shown(
    api: BotApiDouble, redis_server: RedisServer, tmp_path: Path
) -> None:
    env = bot_environment(redis_server.url, api, CLOUD_TELEGRAM_TOKEN="1:wrong")
    with process("bot", env=env, log=tmp_path / "bot.log") as bot:
        assert bot.running.wait(timeout=60) == 2
        assert "Telegram does not know the token" in bot.log
        assert "1:wrong" not in bot.log
