"""Doors admit by signatures while the cloud is away, and the cloud finds a double use afterwards.

The cloud's API, a site's hub and three doors run as processes. Two doors share the hub, and the
third door trusts its own memory.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from uuid_utils.compat import uuid7

from cloud import qr
from cloud.client import Client
from cloud.contract import Event, Gate, IssuedPass, Label, RedemptionAttempt, Role
from cloud.settings import Settings
from cloud.signing import PassSigner
from cloud.store import Store, mint, now
from tests.cloud import door as gatekeeping
from tests.cloud.processes import ROOT, environment, process, wait_until, wait_until_it_answers
from tests.doubles.redis_server import RedisServer, free_port

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

GATE = "main"
HUB_KEY = "a-long-random-key-of-the-site"


class Door:
    """A door whose scanner types what a test writes."""

    def __init__(self, running: subprocess.Popen[bytes], log: Path) -> None:
        self._running = running
        self._log = log
        self._answers = 0

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the log's lines of one event."""
        lines = [json.loads(line) for line in self._log.read_text().splitlines() if line]
        return [line for line in lines if line.get("event") == name]

    def scan(self, text: str) -> tuple[str, bool]:
        """Scan a code; return the outcome, and whether the door decided without the cloud."""
        assert self._running.stdin is not None
        self._running.stdin.write(f"{text}\n".encode())
        self._running.stdin.flush()
        self._answers += 1
        wait_until(lambda: len(self.events("code_answered")) >= self._answers)
        answer = self.events("code_answered")[self._answers - 1]
        return answer["outcome"], answer["offline"]


@contextmanager
def running_door(folder: Path, **settings: str) -> Iterator[Door]:
    """Run a door for the length of a `with`."""
    folder.mkdir()
    log = folder / "door.log"
    env = {name: value for name, value in os.environ.items() if not name.startswith("EDGE_")}
    env |= {"EDGE_LOG_JSON": "true", "EDGE_STATE_DIR": str(folder), "EDGE_DOOR_READERS": "lines"}
    env |= {f"EDGE_{name}": value for name, value in settings.items()}
    with (
        log.open("wb") as file,
        subprocess.Popen(
            [sys.executable, "-m", "edge", "door"],
            env=env,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=file,
        ) as running,
    ):
        try:
            yield Door(running, log)
        finally:
            running.terminate()


def issue(store: Store) -> IssuedPass:
    at = now()
    event = Event(
        id=uuid7(),
        label=Label.WITH_MASK,
        confidence=0.98,
        votes=7,
        first_seen_at=at,
        occurred_at=at,
        models={},
    )
    answer = gatekeeping.accept(
        store, event, gate=GATE, device_id="camera", pass_lifetime=timedelta(minutes=10), now=at
    )
    assert answer.decision.issued_pass is not None
    return answer.decision.issued_pass


def attempts_of(api: Client, issued: IssuedPass) -> list[RedemptionAttempt]:
    return list(api.iter_redemptions(pass_=issued.id))


def test_a_double_use_during_an_outage_is_refused_by_the_hub_or_found_by_the_cloud(
    tmp_path: Path,
) -> None:
    signer = PassSigner.generate()
    port, hub_port = free_port(), free_port()
    address = f"http://127.0.0.1:{port}"

    def code(issued: IssuedPass) -> str:
        return qr.payload(issued.token, None, signer.sign(issued.token, GATE, issued.expires_at))

    with ExitStack() as stack:
        (tmp_path / "redis").mkdir()
        redis = stack.enter_context(RedisServer(tmp_path / "redis"))
        store = Store.open(Settings(redis_url=SecretStr(redis.url)))
        stack.callback(store.close)
        store.gates.add(Gate(id=GATE, name="Main entrance", created_at=now()))
        viewer = mint("viewer", Role.VIEWER, None)
        store.keys.add(viewer.stored)
        env = environment(
            redis.url, CLOUD_PORT=str(port), CLOUD_PASS_SIGNING_KEY=signer.private_text
        )
        hub_env = environment(redis.url, EDGE_STATE_DIR=str(tmp_path), EDGE_DOOR_HUB_KEY=HUB_KEY)
        stack.enter_context(
            process(
                *("door-hub", "--port", str(hub_port)),
                env=hub_env,
                log=tmp_path / "hub.log",
                package="edge",
            )
        )

        def start_door(name: str, **settings: str) -> Door:
            key = mint(name, Role.SCANNER, GATE)
            store.keys.add(key.stored)
            return stack.enter_context(
                running_door(
                    tmp_path / name,
                    CLOUD_URL=address,
                    DOOR_KEY=key.text,
                    DOOR_GATE=GATE,
                    DOOR_OFFLINE="signed",
                    DOOR_PUBLIC_KEYS=signer.public_text,
                    **settings,
                )
            )

        shared = {"DOOR_HUB": f"http://127.0.0.1:{hub_port}", "DOOR_HUB_KEY": HUB_KEY}
        before, during = issue(store), issue(store)
        with process("api", env=env, log=tmp_path / "api.log"):
            wait_until_it_answers(address, "/readyz")
            north, south = start_door("north", **shared), start_door("south", **shared)
            alone = start_door("alone")
            assert north.scan(code(before)) == ("admitted", False)

        # The cloud is away now.
        assert south.scan(code(before)) == ("already_redeemed", True), "the hub knows"
        assert north.scan(during.token) == ("not_signed", True)
        assert north.scan(code(during)) == ("admitted", True)
        assert north.scan(code(during)) == ("already_redeemed", True)
        assert south.scan(code(during)) == ("already_redeemed", True)
        assert alone.scan(code(during)) == ("admitted", True), "nobody told it"

        with (
            process("api", env=env, log=tmp_path / "api-again.log") as again,
            Client(address, viewer.text, timeout_s=30) as api,
        ):
            wait_until_it_answers(address, "/readyz")
            wait_until(lambda: len(attempts_of(api, during)) == 2)
            attempts = attempts_of(api, during)
            assert {attempt.outcome for attempt in attempts} == {"admitted", "already_redeemed"}
            assert all(attempt.admitted_offline_at for attempt in attempts)
            wait_until(
                lambda: any(door.events("offline_admission_was_wrong") for door in (north, alone))
            )
            assert "offline_admission_was_wrong" in again.log
            assert south.scan(code(during)) == ("already_redeemed", False), "the cloud decides"
        for log in (tmp_path / "north" / "door.log", tmp_path / "hub.log"):
            assert during.token not in log.read_text()
