"""One bot process for all tests of a module, and a double of the Bot API."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cloud.processes import environment, process
from tests.doubles.bot_api import BotApiDouble
from tests.doubles.redis_server import RedisServer


@pytest.fixture(scope="module")
def shared_api(
    redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BotApiDouble]:
    log = tmp_path_factory.mktemp("bot") / "bot.log"
    with BotApiDouble() as double:
        env = environment(
            redis_server.url, CLOUD_TELEGRAM_TOKEN=double.token, CLOUD_TELEGRAM_API_URL=double.url
        )
        with process("bot", env=env, log=log):
            yield double
        assert "Traceback" not in Path(log).read_text()


@pytest.fixture
def chats(shared_api: BotApiDouble) -> BotApiDouble:
    """Return the double without the messages of earlier tests."""
    for kept in (shared_api.messages, shared_api.photos, shared_api.edits, shared_api.notices):
        kept.clear()
    return shared_api
