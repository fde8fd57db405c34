"""`python -m tests.upgrade.write`: keep the data of this version, for later versions to read.

Everything is made as people make it, by the API and the commands of real processes, so the script
knows nothing of how it is kept. It writes tests/upgrade/v<version>/:

    appendonly.aof   Redis' append-only file, rewritten
    maskgate.backup  the same by `python -m cloud backup`
    told.json        what the API answered, with the keys and the token that belong to it

Run it when a version is released, and keep the folder as it is from then on. Redis expires what is
past its retention, so that is ten years here.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
from uuid_utils.compat import uuid7

from tests.cloud.processes import ROOT, environment, process, wait_until_it_answers
from tests.doubles.redis_server import RedisServer, free_port

HERE: Final = Path(__file__).parent
RETENTION: Final = {"CLOUD_RETENTION_DAYS": "3650", "CLOUD_AUDIT_DAYS": "3650"}
PASSWORD: Final = "seven quiet herons at dusk"


class Cloud:
    """A client of the API, which ends the script where a call fails."""

    def __init__(self, address: str) -> None:
        self._http = httpx.Client(base_url=address, timeout=20)

    def ask(self, method: str, path: str, key: str = "", body: object = None) -> Any:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        answer = self._http.request(method, path, headers=headers, json=body)
        if answer.is_error:
            raise SystemExit(f"{method} {path} was answered {answer.status_code}: {answer.text}")
        return answer.json() if answer.content else None


def _command(env: dict[str, str], *arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "cloud", *arguments, "--json"],
        env=env,
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout)


def _event(label: str) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat()
    return {
        "id": str(uuid7()),
        "label": label,
        "confidence": 0.97,
        "votes": 9,
        "first_seen_at": now,
        "occurred_at": now,
        "models": {"detector": "ab" * 32},
    }


def _drawn(cloud: Cloud, admin: str, event_id: str) -> None:
    for _ in range(300):
        held = cloud.ask("GET", f"/v1/events/{event_id}", admin)
        if held["pass"]["qr_ready_at"]:
            return
        time.sleep(0.1)
    raise SystemExit("no worker drew the code")


def fill(env: dict[str, str], folder: Path) -> dict[str, Any]:
    """Make one of everything, and return the answers that later versions must still give."""
    port = free_port()
    with ExitStack() as ends:
        ends.enter_context(process("api", "--port", str(port), env=env, log=folder / "api.log"))
        address = f"http://127.0.0.1:{port}"
        wait_until_it_answers(address, "/readyz")
        cloud = Cloud(address)
        admin = _command(env, "keys", "create", "Admin", "--role", "admin")["key"]
        revoked = cloud.ask("POST", "/v1/keys", admin, {"name": "Lost", "role": "viewer"})
        cloud.ask("DELETE", f"/v1/keys/{revoked['id']}", admin)
        for gate in ("main", "back"):
            cloud.ask("POST", "/v1/gates", admin, {"id": gate, "name": f"{gate} entrance"})
        cloud.ask("PATCH", "/v1/gates/back", admin, {"closed": True})
        cloud.ask("PUT", "/v1/gates/main/settings", admin, {"votes": 7})
        scanner = cloud.ask(
            "POST", "/v1/keys", admin, {"name": "Turnstile", "role": "scanner", "gate": "main"}
        )["key"]
        account = {"name": "Ana", "role": "operator", "password": PASSWORD}
        cloud.ask("POST", "/v1/accounts", admin, account)
        cloud.ask(
            *("POST", "/v1/gates/main/subscribers", admin),
            {"channel": "email", "address": "guard@example.org"},
        )
        code = cloud.ask("POST", "/v1/gates/main/enrolment-codes", admin)["code"]
        device = cloud.ask(
            *("POST", "/v1/devices/enrol", ""),
            {"code": code, "name": "Camera at the main door", "version": "0.1.0"},
        )
        cloud.ask(
            *("POST", "/v1/devices/me/heartbeat", device["device_key"]),
            {
                "sent_at": datetime.now(UTC).isoformat(),
                "camera": "live",
                "fps": 14.8,
                "latency_ms": 41.5,
                "outbox_depth": 0,
                "models": {"classifier": "cd" * 32},
                "version": "0.1.0",
            },
        )
        events = [_event(label) for label in ("without_mask", "incorrect_mask", "with_mask")]
        with process("worker", env=env, log=folder / "worker.log"):
            decisions = [
                cloud.ask("POST", "/v1/events", device["device_key"], event) for event in events
            ]
            _drawn(cloud, admin, events[2]["id"])
            redemption = cloud.ask(
                *("POST", "/v1/passes/redeem", scanner),
                {"token": decisions[2]["pass"]["token"], "nonce": "nonce-of-the-turnstile"},
            )
            made = cloud.ask(
                "POST", "/v1/gates/main/passes", admin, {"reason": "a courier", "lifetime_s": 86400}
            )
            cloud.ask("DELETE", f"/v1/passes/{made['id']}", admin)
        # Nobody works now: the jobs of these wait in the queue for a later version.
        for event in (_event("without_mask"), _event("with_mask")):
            events.append(event)
            decisions.append(cloud.ask("POST", "/v1/events", device["device_key"], event))
        reads = (
            "/v1/gates",
            "/v1/keys",
            "/v1/devices",
            "/v1/accounts",
            "/v1/events",
            "/v1/deliveries",
            "/v1/audit",
            "/v1/gates/main/settings",
            "/v1/gates/main/subscribers",
            f"/v1/passes/{decisions[2]['pass']['id']}",
            f"/v1/passes/{made['id']}",
        )
        return {
            "admin": admin,
            "revoked": revoked["key"],
            "scanner": scanner,
            "device": device,
            "events": events,
            "decisions": decisions,
            "redemption": redemption,
            "reads": {path: cloud.ask("GET", path, admin) for path in reads},
        }


def write(target: Path) -> None:
    """Fill a new Redis, and keep its data in `target`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with RedisServer(folder) as server:
            env = environment(server.url, **RETENTION)
            told = fill(env, folder)
            target.mkdir(parents=True, exist_ok=True)
            _command(env, "backup", str(target / "maskgate.backup"))
            with server.client() as client:
                client.bgrewriteaof()
                while client.info("persistence")["aof_rewrite_in_progress"]:
                    time.sleep(0.05)
        shutil.copy(folder / "appendonly.aof", target)
    (target / "told.json").write_text(json.dumps(told, indent=1) + "\n")
    for file in sorted(target.iterdir()):
        file.chmod(0o644)
        print(f"{file.relative_to(ROOT)}: {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    write(HERE / f"v{version}")
