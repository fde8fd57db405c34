"""What the processes write of themselves: JSON lines with the event's id, and never a secret."""

import json
import logging
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
from tests.cloud.processes import environment, process, wait_until_it_answers
from tests.cloud.test_worker import settled
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
    assert [line["event"] for line in lines] == ["said", "refused redis://:[secret]@127.0.0.1/0"]
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
