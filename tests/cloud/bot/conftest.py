"""One bot process for all tests of a module, and a double of the Bot API."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cloud.processes import environment, process
from tests.doubles.bot_api import BotApiDouble
from tests.doubles.redis_server import RedisServer


def bot_environment(redis_url: str, api: BotApiDouble, **more: str) -> dict[str, str]:
    """Return the environment of a bot process that talks to a double of the Bot API."""
    telegram = {"CLOUD_TELEGRAM_TOKEN": api.token, "CLOUD_TELEGRAM_API_URL": api.url}
    return environment(redis_url, **{**telegram, **more})


@pytest.fixture
def api() -> Iterator[BotApiDouble]:
    """Run a double of the Bot API without a bot."""
    with BotApiDouble() as double:
        yield double


@pytest.fixture(scope="module")
def shared_api(
    redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BotApiDouble]:
    log = tmp_path_factory.mktemp("bot") / "bot.log"
    with BotApiDouble() as double:
        with process("bot", env=bot_environment(redis_server.url, double), log=log):
            yield double
        assert "Traceback" not in Path(log).read_text()


@pytest.fixture
def chats(shared_api: BotApiDouble) -> BotApiDouble:
    """Return the double without the messages of earlier tests."""
    for kept in (shared_api.messages, shared_api.photos, shared_api.edits, shared_api.notices):
        kept.clear()
    return shared_api
