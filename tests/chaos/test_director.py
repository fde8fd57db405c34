from pathlib import Path

from chaos import plan
from chaos.director import Director
from chaos.plan import Scale
from chaos.world import World
from tests.doubles.bot_api import BotApiDouble
from tests.doubles.mail_server import MailServer
from tests.doubles.redis_server import RedisServer, free_port


def test_nothing_is_settled_while_redis_is_just_starting_again(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    scale = Scale(events=20, devices=1)
    world = World(tmp_path, scale, BotApiDouble(), MailServer(), server.port, free_port())
    director = Director(world, plan.make(1, scale), lambda _far: None)
    assert not director._all_settled()
    with server:
        assert director._all_settled()
