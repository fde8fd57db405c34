"""The API against a bare FastAPI route: what is left of the framework's rate."""

import json
import secrets
import statistics
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import uuid_utils

from benchmarks.load import Load, drive
from benchmarks.rows import Row
from cloud.contract import Event, Label
from cloud.contract.passes import TOKEN_ALPHABET, TOKEN_LENGTH
from demo.stage import Stage, free_port

CALLERS = 16
ROUNDS = 3


def _event() -> bytes:
    now = datetime.now(UTC)
    event = Event(
        id=UUID(int=uuid_utils.uuid7().int),
        label=Label.WITH_MASK,
        confidence=0.97,
        votes=9,
        first_seen_at=now,
        occurred_at=now,
    )
    return event.model_dump_json().encode()


def _attempt() -> bytes:
    """An attempt that looks a token up, keeps its answer and admits nobody."""
    token = "".join(secrets.choice(TOKEN_ALPHABET) for _ in range(TOKEN_LENGTH))
    return json.dumps({"token": token, "nonce": secrets.token_hex(8)}).encode()


def rows(state: Path, seconds: float) -> dict[str, Row]:
    """Measure events, redemptions and the bare route in turns, on one Redis; medians of ROUNDS.

    Args:
        state: an empty folder for Redis and the device's key.
        seconds: how long each of the 3 × ROUNDS loads lasts.
    """
    stage = Stage(state)
    # The limits count as ever, and refuse nobody: one device sends what a fleet does.
    rates = dict.fromkeys(("CLOUD_KEY_RATE", "CLOUD_ADDRESS_RATE"), "1000000 per second")
    with stage.running("redis", "api", **rates) as cloud:
        stage.wait_for(f"{stage.api_url}/readyz", cloud, "the cloud")
        stage.prepare()
        port = free_port(8100)
        server = (sys.executable, "-m", "uvicorn", "--no-access-log")
        bare = subprocess.Popen(
            [*server, "benchmarks.bare:app", "--port", str(port), "--log-level", "warning"],
            env=stage.environment(),
        )
        try:
            stage.wait_for(f"http://127.0.0.1:{port}/docs", cloud, "the bare route")
            device = {"Authorization": f"Bearer {stage.device_key()}"}
            full_loads: list[Load] = []
            bare_loads: list[Load] = []
            redeem_loads: list[Load] = []
            scanner = {"Authorization": f"Bearer {stage.keys['scanner']}"}
            for _ in range(ROUNDS):
                for loads, url, headers in (
                    (bare_loads, f"http://127.0.0.1:{port}/bare", {}),
                    (full_loads, f"{stage.api_url}/v1/events", device),
                ):
                    loads.append(drive(url, _event, headers, callers=CALLERS, seconds=seconds))
                redeem_loads.append(
                    drive(
                        f"{stage.api_url}/v1/passes/redeem",
                        _attempt,
                        scanner,
                        callers=CALLERS,
                        seconds=seconds,
                        expected=200,
                    )
                )
        finally:
            bare.terminate()
            bare.wait()
    rate = statistics.median(load.rate for load in full_loads)
    bare_rate = statistics.median(load.rate for load in bare_loads)
    redeem_rate = statistics.median(load.rate for load in redeem_loads)
    p50 = statistics.median(load.p50_ms for load in full_loads)
    bare_p50 = statistics.median(load.p50_ms for load in bare_loads)
    return {
        "api events": Row(
            rate, "events/s", f"bare route, one round trip: {bare_rate:,.0f}/s", rate / bare_rate
        ),
        "api redemptions": Row(
            redeem_rate,
            "attempts/s",
            f"bare route, one round trip: {bare_rate:,.0f}/s",
            redeem_rate / bare_rate,
        ),
        "api event, median": Row(
            p50, "ms", f"bare route at {CALLERS} callers: {bare_p50:.1f} ms", p50 / bare_p50
        ),
    }
