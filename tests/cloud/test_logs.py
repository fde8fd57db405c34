"""What the processes write of themselves: JSON lines with the event's id, and never a secret."""

import json
import logging
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import structlog
from pydantic import SecretStr

from cloud import logs
from cloud.contract import Event, Label, Role
from cloud.settings import LogLevel, Settings
from cloud.store import Store, mint
from tests.cloud.conftest import GATE, posted
from tests.cloud.processes import (
    ROOT,
    environment,
    process,
    wait_until,
    wait_until_it_answers,
)
from tests.cloud.worker.test_process import settled
from tests.doubles.bot_api import BotApiDouble
from tests.doubles.redis_server import RedisServer, free_port


@pytest.mark.usefixtures("restored_logging")
def test_lines_are_json_and_secrets_are_blanked(capsys: pytest.CaptureFixture[str]) -> None:
    logs.start(
        Settings(
            telegram_token=SecretStr("123:hush"),
            redis_url=SecretStr("redis://:whisper@127.0.0.1/0"),
            log_level=LogLevel.INFO,
        )
    )
    structlog.get_logger("cloud.test").info("said", event_id="7", detail="123:hush")
    logging.getLogger("library").warning("refused %s", "redis://:whisper@127.0.0.1/0")
    logging.getLogger("httpx").info("POST https://api.telegram.org/bot123:hush/sendPhoto")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == ["said", "library_message"]
    assert lines[1]["message"] == "refused redis://:[secret]@127.0.0.1/0"
    assert [line["logger"] for line in lines] == ["cloud.test", "library"]
    assert lines[0]["event_id"] == "7"
    assert lines[0]["detail"] == "[secret]"
    assert lines[0]["level"] == "info"


def test_an_event_is_followed_by_its_id_and_no_secret_is_written(
    store: Store, redis_server: RedisServer, tmp_path: Path, make_event: Callable[..., Event]
) -> None:
    port = free_port()
    with BotApiDouble() as telegram:
        env = environment(
            redis_server.url,
            CLOUD_PORT=str(port),
            CLOUD_LOG_LEVEL="debug",
            CLOUD_TELEGRAM_TOKEN=telegram.token,
            CLOUD_TELEGRAM_API_URL=telegram.url,
        )
        admin = mint("admin", Role.ADMIN, None)
        store.keys.add(admin.stored)
        with (
            process("api", env=env, log=tmp_path / "api.log") as api,
            process("worker", env=env, log=tmp_path / "worker.log") as worker,
            httpx.Client(
                base_url=f"http://127.0.0.1:{port}",
                headers={"Authorization": f"Bearer {admin.text}"},
                timeout=20,
            ) as client,
        ):
            wait_until_it_answers(str(client.base_url), "/readyz")
            address = {"channel": "telegram", "address": "42"}
            client.post(f"/v1/gates/{GATE}/subscribers", json=address).raise_for_status()
            code = client.post(f"/v1/gates/{GATE}/enrolment-codes").json()["code"]
            key = client.post("/v1/devices/enrol", json={"code": code, "name": "camera"})
            device_key = key.json()["device_key"]
            device = {"Authorization": f"Bearer {device_key}"}
            granted, refused = make_event(), make_event(Label.WITHOUT_MASK)
            tokens = []
            for event in (granted, refused):
                answer = client.post("/v1/events", json=posted(event), headers=device)
                if (issued := answer.json()["pass"]) is not None:
                    tokens.append(issued["token"])
            settled(store, 2)
            client.get(f"/p/{tokens[0]}")
            client.post(
                "/v1/passes/redeem", json={"token": tokens[0], "nonce": "n" * 8, "gate": GATE}
            )
            client.get("/v1/events", headers={"Authorization": "Bearer mg_x_wrong-secret"})
        written = api.log + worker.log
    for secret in (
        *tokens,
        code,
        device_key,
        device_key.split("_", 2)[2],
        admin.text,
        admin.text.split("_", 2)[2],
        "wrong-secret",
        telegram.token,
    ):
        assert secret not in written
    for line in written.splitlines():
        assert isinstance(json.loads(line), dict)
    for log in (api.log, worker.log):
        for event in (granted, refused):
            assert str(event.id) in log


@pytest.mark.usefixtures("restored_logging")
def test_a_secret_with_a_quote_is_blanked_and_half_a_character_does_no_harm(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.start(Settings(smtp_password=SecretStr('hu"s\\h'), log_level=LogLevel.INFO))
    structlog.get_logger("cloud.test").info("said", detail='with hu"s\\h', file="caf\udce9")
    [line] = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (line["detail"], line["file"]) == ("with [secret]", "caf\udce9")


@pytest.mark.usefixtures("restored_logging")
def test_warnings_and_errors_that_nobody_caught_are_lines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.start(Settings(log_level=LogLevel.INFO))
    with pytest.warns(UserWarning, match="old"):  # which keeps it from the log
        warnings.warn("old", stacklevel=1)
    logging.getLogger("py.warnings").warning("old")

    def fail() -> None:
        raise ValueError("seen")

    thread = threading.Thread(target=fail, name="failing")
    thread.start()
    thread.join()
    warned, failed = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (warned["event"], warned["message"]) == ("library_message", "old")
    assert (failed["event"], failed["thread"]) == ("uncaught_error", "failing")
    assert "ValueError: seen" in failed["exception"]


@pytest.mark.parametrize(
    ("command", "variables", "says"),
    [
        (["api", "--bogus"], {}, "No such option"),
        (["worker"], {"CLOUD_LOG_LEVEL": "loud"}, "CLOUD_LOG_LEVEL"),
        (["bot"], {}, "CLOUD_TELEGRAM_TOKEN"),
        (["redis"], {"CLOUD_REDIS_URL": "redis://10.0.0.1:6379/0"}, "another machine"),
    ],
)
def test_what_keeps_a_process_from_starting_is_one_line(
    command: list[str], variables: dict[str, str], says: str, redis_server: RedisServer
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cloud", *command],
        env=environment(redis_server.url) | variables,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    [line] = [json.loads(line) for line in done.stderr.splitlines()]
    assert (line["event"], line["level"]) == ("command_refused", "error")
    assert says in line["problem"]


def test_the_log_of_redis_is_json(tmp_path: Path) -> None:
    port = free_port()
    env = environment(f"redis://127.0.0.1:{port}/0", CLOUD_REDIS_DIR=str(tmp_path / "data"))
    with process("redis", env=env, log=tmp_path / "redis.log") as server:
        wait_until(lambda: "Ready to accept" in server.log)
    wait_until(lambda: "ready to exit" in server.log)
    lines = [json.loads(line) for line in server.log.splitlines()]
    assert {line["logger"] for line in lines} == {"redis"}
    ready = next(line for line in lines if "Ready to accept" in line["message"])
    assert (ready["role"], ready["level"]) == ("master", "info")
    begun = next(line for line in lines if "Redis is starting" in line["message"])
    assert begun["level"] == "info"


def test_probes_and_what_repeats_by_itself_are_logged_when_they_fail_alone(
    store: Store, redis_server: RedisServer, tmp_path: Path
) -> None:
    port = free_port()
    env = environment(redis_server.url, CLOUD_PORT=str(port))
    admin = mint("admin", Role.ADMIN, None)
    store.keys.add(admin.stored)
    with (
        process("api", env=env, log=tmp_path / "api.log") as api,
        httpx.Client(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Authorization": f"Bearer {admin.text}"},
            timeout=20,
        ) as client,
    ):
        wait_until_it_answers(str(client.base_url), "/readyz")
        for path in ("/healthz", "/readyz", "/metrics", "/v1/events", "/v1/gates"):
            assert client.get(path).status_code == httpx.codes.OK
        client.head("/healthz").raise_for_status()
        assert client.get("/v1/gates", headers={"Authorization": ""}).status_code == 401
        redis_server.stop()
        try:
            assert client.get("/readyz").status_code == 503
        finally:
            redis_server.start()
        new = {"id": "east", "name": "East"}
        client.post("/v1/gates", json=new).raise_for_status()
    lines = [json.loads(line) for line in api.log.splitlines()]
    requests = [
        (line["method"], line["route"], line["status"])
        for line in lines
        if line["event"] == "request"
    ]
    assert requests == [
        ("GET", "/v1/gates", 401),
        ("GET", "/readyz", 503),
        ("POST", "/v1/gates", 201),
    ]


def test_a_process_that_is_stopped_while_redis_is_away_says_so_in_one_line(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    with BotApiDouble() as telegram:
        env = environment(
            redis_server.url,
            CLOUD_PORT=str(free_port()),
            CLOUD_TELEGRAM_TOKEN=telegram.token,
            CLOUD_TELEGRAM_API_URL=telegram.url,
        )
        with (
            process("worker", env=env, log=tmp_path / "worker.log") as worker,
            process("bot", env=env, log=tmp_path / "bot.log") as bot,
        ):
            wait_until(lambda: "worker_started" in worker.log and "bot_started" in bot.log)
            redis_server.stop()
            try:
                wait_until(lambda: all("store_away" in each.log for each in (worker, bot)))
                for each in (worker, bot):
                    each.running.terminate()
                for each in (worker, bot):
                    assert each.running.wait(60) == 0
            finally:
                redis_server.start()
    for each, ended in ((worker, "worker_stopped"), (bot, "bot_stopped")):
        lines = [json.loads(line) for line in each.log.splitlines()]
        events = [line["event"] for line in lines]
        assert events.count("store_away") == 1
        assert events[-1] == ended
        assert not [line for line in lines if "exception" in line]


def test_a_worker_that_waits_for_redis_leaves_when_it_is_told_to(tmp_path: Path) -> None:
    env = environment(f"redis://127.0.0.1:{free_port()}/0")
    with process("worker", env=env, log=tmp_path / "worker.log") as worker:
        wait_until(lambda: "store_away" in worker.log)
        worker.running.terminate()
        assert worker.running.wait(60) == 0
    events = [json.loads(line)["event"] for line in worker.log.splitlines()]
    # The part that notices first may be one that cannot say when the store is back.
    assert sorted(set(events) - {"store_unavailable"}) == [
        "store_away",
        "worker_started",
        "worker_stopped",
    ]
    assert len(events) == len(set(events))
    assert events[-1] == "worker_stopped"
