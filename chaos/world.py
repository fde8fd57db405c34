"""The world of a run: Redis, the cloud's processes, devices, gates, and the doubles around them."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx
from pydantic import SecretStr

from chaos import camera
from chaos.device import IDENTITY, write_orders
from chaos.parts import Part
from chaos.plan import CAMERA, Plan, Scale
from cloud.client import Client as Api
from cloud.contract import (
    Channel,
    EnrolmentRequest,
    NewGate,
    NewKey,
    NewSubscriber,
    Role,
    Topic,
)
from cloud.settings import Settings
from cloud.store import Store
from demo.deployment import ROOT, free_port
from edge import __version__, identity
from edge.delivery.client import Client
from tests.doubles.bot_api import BotApiDouble
from tests.doubles.mail_server import MailServer

START_TIMEOUT_S = 60.0
PASS_LIFETIME = timedelta(hours=2)
"""Longer than a run: a pass that expires while its message waits is rightly not sent."""

MAIL_COOLDOWN_S = 3
PASSES, ALERTS, VISITORS = 100, 200, 1000
"""Chats: a gate's passes go to 100 + its number, its alerts to 200 + its number. Visitors are after
1000; the remainder by 10 is the number of their gate."""


class WorldError(Exception):
    """A part of the world did not start; the text names the part."""


def gate_id(number: int) -> str:
    """Return the name of a gate."""
    return f"gate-{number}"


def gate_of_chat(chat: str) -> str:
    """Return the gate of a chat."""
    return gate_id(int(chat) % 10)


def mailbox(number: int) -> str:
    """Return the mail address that gets a gate's refusals."""
    return f"gate-{number}@example.org"


@dataclass
class World:
    """All parts of a run, as `running` starts them."""

    state: Path
    scale: Scale
    bot_api: BotApiDouble
    mail: MailServer
    redis_port: int
    api_port: int
    parts: dict[str, Part] = field(default_factory=dict)
    scanner_key: str = ""
    codes: list[str] = field(default_factory=list)
    """For each gate, the text that a visitor sends to wait there."""

    @property
    def api_url(self) -> str:
        """The address of the API."""
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def redis_url(self) -> str:
        """The address of Redis."""
        return f"redis://127.0.0.1:{self.redis_port}/0"

    def device_folders(self) -> list[Path]:
        """The folders of the devices."""
        return [self.state / f"edge-{number}" for number in range(self.scale.devices)]

    @property
    def camera_gate(self) -> str:
        """The gate of the real edge, after those of the other devices."""
        return gate_id(self.scale.devices)

    @property
    def camera_folder(self) -> Path:
        """The folder of the real edge."""
        return self.state / CAMERA

    @contextmanager
    def store(self) -> Iterator[Store]:
        """Open the store as the cloud's processes do, to count in it."""
        opened = Store.open(Settings(redis_url=SecretStr(self.redis_url)))
        try:
            yield opened
        finally:
            opened.close()

    def environment(self) -> dict[str, str]:
        """Return the environment of every process, without settings of this machine."""
        ours = {
            "CLOUD_REDIS_URL": self.redis_url,
            "CLOUD_REDIS_DIR": str(self.state / "redis"),
            "CLOUD_PORT": str(self.api_port),
            "CLOUD_TELEGRAM_TOKEN": self.bot_api.token,
            "CLOUD_TELEGRAM_API_URL": self.bot_api.url,
            "CLOUD_SMTP_HOST": "127.0.0.1",
            "CLOUD_SMTP_PORT": str(self.mail.port),
            "CLOUD_SMTP_SECURITY": "none",
            "CLOUD_MAIL_COOLDOWN_S": str(MAIL_COOLDOWN_S),
            "CLOUD_PASS_LIFETIME_S": str(int(PASS_LIFETIME.total_seconds())),
            "CLOUD_VISITOR_WAIT_S": str(int(PASS_LIFETIME.total_seconds())),
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
        }
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CLOUD_", "EDGE_", "OTEL_"))
        }
        return {**kept, **ours}

    def add(self, name: str, *command: str, **settings: str) -> Part:
        """Make a part and start it."""
        log = self.state / f"{name.replace(' ', '-')}.log"
        part = self.parts[name] = Part(name, command, {**self.environment(), **settings}, log)
        part.start()
        return part

    def wait_until_ready(self) -> None:
        """Return once the API answers and reaches Redis; raise WorldError if it does not."""
        give_up = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < give_up:
            with suppress(httpx.TransportError):
                if httpx.get(f"{self.api_url}/readyz", timeout=2).is_success:
                    return
            time.sleep(0.1)
        raise WorldError(f"the API was not ready within {START_TIMEOUT_S:.0f} s; see {self.state}")


@contextmanager
def running(state: Path, plan: Plan, scale: Scale) -> Iterator[World]:
    """Start all parts of a run, and end them after the `with`.

    Args:
        state: an empty folder.
        plan: what the devices are to see.
        scale: the size of the run.

    Yields:
        The world.

    Raises:
        WorldError: some part did not start.
        ClientError: the API did not do what it was asked.
    """
    (state / "redis").mkdir(parents=True)
    with BotApiDouble() as bot_api, MailServer() as mail:
        world = World(state, scale, bot_api, mail, free_port(16_379), free_port(18_000))
        try:
            world.add("redis", "cloud", "redis")
            world.add("api", "cloud", "api")
            for number in range(scale.workers):
                world.add(f"worker {number}", "cloud", "worker")
            world.add("bot", "cloud", "bot")
            world.wait_until_ready()
            _furnish(world, plan)
            bot_api.wait_for_calls("getUpdates", timeout_s=START_TIMEOUT_S)
            for number, folder in enumerate(world.device_folders()):
                world.add(f"edge {number}", "chaos.device", str(folder))
            if scale.camera:
                world.add(CAMERA, *camera.COMMAND, **camera.environment(world.camera_folder))
            yield world
        finally:
            for part in reversed(world.parts.values()):
                part.stop()


def _furnish(world: World, plan: Plan) -> None:
    """Make keys, gates, subscribers and devices."""
    made = subprocess.run(
        [sys.executable, "-m", "cloud", "keys", "create", "chaos", "--role", "admin", "--json"],
        env=world.environment(),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    with Api(world.api_url, json.loads(made.stdout)["key"]) as api:
        world.scanner_key = api.create_key(NewKey(name="door", role=Role.SCANNER)).key
        folders = world.device_folders()
        if world.scale.camera:
            folders.append(world.camera_folder)
        for number, folder in enumerate(folders):
            gate = gate_id(number)
            api.create_gate(NewGate(id=gate, name=f"Gate {number}"))
            for channel, address, topic in (
                (Channel.TELEGRAM, str(PASSES + number), Topic.PASS),
                (Channel.TELEGRAM, str(ALERTS + number), Topic.REFUSAL),
                (Channel.EMAIL, mailbox(number), Topic.REFUSAL),
            ):
                subscriber = NewSubscriber(channel=channel, address=address, topics=[topic])
                api.create_subscriber(gate, subscriber)
            world.codes.append(api.get_visitor_link(gate).code)
            _enrol(world, folder, api.create_enrolment_code(gate).code)
            if number < len(plan.orders):
                write_orders(folder, plan.orders[number])


def _enrol(world: World, folder: Path, code: str) -> None:
    folder.mkdir()
    with Client(world.api_url) as client:
        asked = EnrolmentRequest(code=code, name=folder.name, version=__version__)
        enrolment = client.enrol(asked)
    identity.save(
        identity.Identity(
            device_id=enrolment.device_id,
            device_key=SecretStr(enrolment.device_key),
            gate=enrolment.gate,
            cloud_url=world.api_url,
        ),
        folder / IDENTITY,
    )
