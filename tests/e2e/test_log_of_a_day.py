"""A day with its faults, played by real processes; the test reads every line of their logs.

Redis restarts, the camera is lost and comes back, one person is refused and one granted, somebody
tries a wrong key, the platform asks its probes, and at the end everything is stopped.
"""

import json
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from cloud.client import Client
from cloud.contract import (
    Access,
    Channel,
    NewGate,
    NewKey,
    NewSubscriber,
    Outcome,
    RedemptionRequest,
    Role,
)
from demo.clip import BUNDLED
from demo.scenario import decode
from tests.cloud.processes import (
    ROOT,
    Process,
    environment,
    process,
    wait_until,
    wait_until_it_answers,
)
from tests.doubles.bot_api import BotApiDouble
from tests.doubles.network_camera import network_camera, pictures_of
from tests.doubles.redis_server import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

GATE = "main"
PASSWORD = "S3cr-t-of-the-camera"
WRONG_KEY = "mg_" + "x" * 12 + "_wrong-secret"

Line = dict[str, Any]

EVENT = re.compile(r"[a-z][a-z0-9_]*")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


@dataclass
class Day:
    """The log of each process, and the secrets that must not be in one."""

    logs: dict[str, str] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)

    def lines(self, name: str) -> list[Line]:
        return [json.loads(line) for line in self.logs[name].splitlines()]

    def events(self, name: str) -> Counter[str]:
        return Counter(line["event"] for line in self.lines(name))


def _admin_key(env: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "cloud", "keys", "create", "Ana", "--role", "admin", "--json"],
        env=env,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    return str(json.loads(done.stdout)["key"])


def _logged(running: Process, event: str, times: int = 1) -> Callable[[], bool]:
    return lambda: running.log.count(f'"{event}"') >= times


def _told(day: Day, folder: Path, telegram: BotApiDouble) -> None:
    redis_port, api_port, camera_port = free_port(), free_port(), free_port()
    base = f"http://127.0.0.1:{api_port}"
    env = environment(
        f"redis://127.0.0.1:{redis_port}/0",
        CLOUD_REDIS_DIR=str(folder / "redis"),
        CLOUD_PORT=str(api_port),
        CLOUD_TELEGRAM_TOKEN=telegram.token,
        CLOUD_TELEGRAM_API_URL=telegram.url,
    )

    def started(stack: ExitStack, name: str, *words: str, **more: str) -> Process:
        package, *arguments = words
        log = folder / f"{name}.log"
        running = process(*arguments, env={**env, **more}, log=log, package=package)
        return stack.enter_context(running)

    def ended(name: str, running: Process) -> None:
        running.running.send_signal(signal.SIGTERM)
        day.statuses[name] = running.running.wait(60)
        day.logs[name] = running.log

    with ExitStack() as stack:
        redis = started(stack, "redis", "cloud", "redis")
        api = started(stack, "api", "cloud", "api")
        wait_until_it_answers(base, "/readyz")
        worker = started(stack, "worker", "cloud", "worker")
        bot = started(stack, "bot", "cloud", "bot")
        admin_key = _admin_key(env)
        admin = stack.enter_context(Client(base, admin_key, timeout_s=60))
        admin.create_gate(NewGate(id=GATE, name="Main entrance"))
        keys = [
            admin.create_key(NewKey(name=role.value, role=role, gate=gate)).key
            for role, gate in ((Role.OPERATOR, None), (Role.SCANNER, GATE))
        ]
        admin.create_subscriber(GATE, NewSubscriber(channel=Channel.TELEGRAM, address="42"))
        code = admin.create_enrolment_code(GATE).code
        dashboard = started(
            stack,
            "dashboard",
            "dashboard",
            "--server.port",
            str(free_port()),
            DASHBOARD_LOG_JSON="true",
            DASHBOARD_API_URL=base,
            DASHBOARD_API_KEY=keys[0],
        )
        scanner = stack.enter_context(Client(base, keys[1], timeout_s=60))

        camera = stack.enter_context(ExitStack())
        pictures = pictures_of(BUNDLED)
        address = camera.enter_context(network_camera(*pictures, camera_port))
        edge = started(
            stack,
            "edge",
            "edge",
            "run",
            EDGE_LOG_JSON="true",
            EDGE_SOURCE=f"http://admin:{PASSWORD}@{address}",
            EDGE_STATE_DIR=str(folder / "edge"),
            EDGE_CLOUD_URL=base,
            EDGE_ENROLMENT_CODE=code,
            EDGE_HEARTBEAT_S="1",
        )

        # Two people come to the door.
        wait_until(
            lambda: {Access.REFUSED, Access.GRANTED} <= {e.access for e in admin.iter_events()}
        )
        [photo] = telegram.wait_for_photos(1)[:1]
        token = decode(photo.photo)
        request = RedemptionRequest(token=token, nonce="n" * 16)
        assert scanner.redeem_pass(request).outcome is Outcome.ADMITTED
        assert httpx.get(
            f"{base}/v1/events", headers={"Authorization": f"Bearer {WRONG_KEY}"}
        ).status_code == (401)

        # The camera is lost, and comes back.
        camera.close()
        wait_until(_logged(edge, "camera_away"))
        stack.enter_context(network_camera(*pictures, camera_port))
        wait_until(_logged(edge, "camera_returned"))

        # Redis restarts; the platform asks meanwhile.
        ended("redis, first", redis)
        wait_until(_logged(worker, "store_away"))
        wait_until(_logged(bot, "store_away"))
        assert httpx.get(f"{base}/readyz").status_code == 503
        redis = started(stack, "redis-again", "cloud", "redis")
        wait_until(_logged(worker, "store_back"))
        wait_until(_logged(bot, "store_back"))
        for path in ("/healthz", "/readyz", "/metrics"):
            wait_until(lambda path=path: httpx.get(f"{base}{path}").is_success)  # type: ignore[misc]

        for name, running in (
            ("edge", edge),
            ("dashboard", dashboard),
            ("bot", bot),
            ("worker", worker),
            ("api", api),
            ("redis", redis),
        ):
            ended(name, running)

        wait_until(lambda: "ready to exit" in redis.log)
        day.logs["redis"] = redis.log
    device = json.loads((folder / "edge" / "device.json").read_text())
    day.secrets = [
        admin_key,
        *keys,
        code,
        token,
        device["device_key"],
        telegram.token,
        PASSWORD,
        WRONG_KEY,
        "wrong-secret",
    ]


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    told = Day()
    with BotApiDouble() as telegram:
        _told(told, tmp_path_factory.mktemp("day"), telegram)
    return told


def test_every_line_of_every_process_is_an_object_with_the_fields_of_each(day: Day) -> None:
    assert set(day.logs) == {
        "redis, first", "redis", "api", "worker", "bot", "dashboard", "edge",
    }  # fmt: skip
    for name, text in day.logs.items():
        assert text, name
        for line in text.splitlines():
            said = json.loads(line)
            assert isinstance(said, dict), (name, line)
            assert TIME.fullmatch(said["timestamp"]), (name, line)
            assert datetime.fromisoformat(said["timestamp"]).utcoffset() == timedelta(0)
            assert said["level"] in {"info", "warning", "error", "critical"}, (name, line)
            assert said["logger"], (name, line)
            assert EVENT.fullmatch(said["event"]), (name, line)


def test_probes_and_what_repeats_by_itself_are_not_there_while_all_is_well(day: Day) -> None:
    requests = [line for line in day.lines("api") if line["event"] == "request"]
    repeated = {"/healthz", "/metrics", "/v1/devices/me/heartbeat", "/v1/devices/me/commands"}
    for line in requests:
        if line["route"] in repeated:
            assert line["status"] >= 400, line
        if line["route"] == "/readyz":
            assert line["status"] == 503, line
    assert [line for line in requests if line["route"] == "/readyz"]
    assert [line for line in requests if line["status"] == 401]


def test_no_secret_is_in_any_line(day: Day) -> None:
    assert len(day.secrets) > 8
    for name, text in day.logs.items():
        for secret in day.secrets:
            assert secret not in text, name


def test_the_story_can_be_read(day: Day) -> None:
    edge = day.events("edge")
    for event in ("enrolled", "watching", "camera_returned", "run_ended"):
        assert edge[event] == 1, (event, edge)
    assert edge["event_stored"] >= 2
    labels = {line["label"] for line in day.lines("edge") if line["event"] == "event_stored"}
    assert {"with_mask", "without_mask"} <= labels
    for name in ("worker", "bot"):
        assert day.events(name)["store_away"] == 1
        assert day.events(name)["store_back"] == 1
    assert day.events("worker")["code_drawn"] >= 1
    granted = next(
        line["event_id"]
        for line in day.lines("edge")
        if line["event"] == "event_acknowledged" and line["access"] == "granted"
    )
    for name in ("edge", "api", "worker"):
        assert any(line.get("event_id") == granted for line in day.lines(name)), name


def test_everything_ended_well_and_without_a_trace(day: Day) -> None:
    ended_by_signal = {0, -signal.SIGTERM}
    assert set(day.statuses.values()) <= ended_by_signal, day.statuses
    for name in day.logs:
        assert [line for line in day.lines(name) if "exception" in line] == [], name
