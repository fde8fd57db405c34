"""python -m chaos.edge: kill -9 a real edge again and again, and count what is left.

The edge judges pictures of somebody who comes and goes, with the shipped models. It delivers to a
double of the cloud, which now and then stores an event and loses the answer. Each kill strikes at a
random moment: during the start, while an event is stored, while an answer is awaited. After each,
SQLite checks the outbox.
"""

import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import cv2
import typer

from chaos import camera
from chaos.device import IDENTITY, OUTBOX
from cloud.contract import (
    Access,
    CommandPage,
    Decision,
    DeviceSettings,
    Event,
    GateSettings,
    Refusal,
    RefusalReason,
)
from demo.clip import BUNDLED
from edge import __main__, identity
from edge.delivery import database
from edge.errors import OutboxError

LONGEST_LIFE_S = 2.0
"""Seconds after which a kill strikes at the latest: after the start, or since the edge watches."""

_WATCHING = 0.75
"""Share of the kills that strike an edge which watches; the others strike while it starts."""

_LOST_ANSWERS = 0.1
_UNAVAILABLE = 0.1
"""Shares of the events that the double stores without an answer, and that it does not take."""

_DRAIN_S = 300.0

_PICTURES = "pictures"

_FACE_AT = 50
"""A frame of the demo's clip with a face."""

_FORKED = multiprocessing.get_context("forkserver")
_FORKED.set_forkserver_preload(["edge.__main__", "edge.installation"])


@dataclass(slots=True)
class Tally:
    """What the kills left.

    Attributes:
        kills: How often the edge was killed.
        made: Events that the edge has ever stored in its outbox.
        arrived: Different events that the cloud took.
        lost: Events that were stored and did not arrive.
        out_of_order: Events that arrived before one that was stored earlier.
        damaged: How often the outbox was damaged after a kill.
        repeated: Events that were sent again after the cloud had them; the cloud knows their ids.
    """

    kills: int = 0
    made: int = 0
    arrived: int = 0
    lost: int = 0
    out_of_order: int = 0
    damaged: int = 0
    repeated: int = 0

    @property
    def is_good(self) -> bool:
        """Whether nothing was lost, swapped or damaged."""
        return not (self.lost or self.out_of_order or self.damaged) and self.made > 0


@dataclass(slots=True)
class CloudDouble:
    """Takes events, and loses some answers.

    Attributes:
        chance: Decides which answers are lost.
        url: Of the double.
        ids: Of the events, in the order of their first arrival.
        repeated: Events that came again.
        is_kind: Whether every event is answered.
    """

    chance: random.Random
    url: str = ""
    ids: dict[str, None] = field(default_factory=dict)
    repeated: int = 0
    is_kind: bool = False
    turn: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, path: str, body: bytes) -> tuple[int, str] | None:
        """Return status and body; None for an answer that is lost."""
        if path == "/v1/events":
            return self._take(Event.model_validate_json(body))
        if path.startswith("/v1/devices/me/commands"):
            return 200, CommandPage(items=[]).model_dump_json()
        if path == "/v1/devices/me/settings":
            settings = DeviceSettings(gate="main", settings=GateSettings(), revision=0)
            return 200, settings.model_dump_json()
        return 204, ""

    def _take(self, event: Event) -> tuple[int, str] | None:
        with self.turn:
            fate = 1.0 if self.is_kind else self.chance.random()
            if fate < _UNAVAILABLE:
                return 503, ""
            self.repeated += str(event.id) in self.ids
            self.ids[str(event.id)] = None
        if fate < _UNAVAILABLE + _LOST_ANSWERS:
            return None
        decision = Decision(
            event_id=event.id,
            gate="main",
            access=Access.REFUSED,
            decided_at=datetime.now(UTC),
            refusal=Refusal(reason=RefusalReason.NO_MASK, message="Please put on a mask"),
        )
        return 201, decision.model_dump_json(by_alias=True)


@contextmanager
def serving(double: CloudDouble) -> Iterator[CloudDouble]:
    """Serve the double on a port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            # A kill may cut a request short.
            answer = double.answer(self.path, body) if len(body) == length else None
            if answer is None:
                self.close_connection = True
                return
            status, text = answer
            self.send_response(status)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_PUT = _do  # noqa: N815 - the standard library's names

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Write no log."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            # A kill of the edge cuts its connections.
            if not isinstance(sys.exception(), ConnectionError):
                super().handle_error(request, client_address)

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    double.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Life:
    """One life of an edge: a process that has imported its libraries already when it begins.

    Args:
        folder: The state of the edge.
        settings: Variables of the environment.
    """

    def __init__(self, folder: Path, **settings: str) -> None:
        own = {
            **camera.environment(folder),
            "EDGE_SOURCE": str(folder / _PICTURES),
            "EDGE_LOOP": "true",
            "EDGE_PACE": "every_frame",
            "EDGE_VOTES": "2",
            "EDGE_COOLDOWN_S": "0",
            "EDGE_LOST_AFTER_S": "0.2",
            **settings,
        }
        self._log = folder / "log"
        self._log.unlink(missing_ok=True)
        self.process = _FORKED.Process(target=_live, args=(own, self._log), daemon=True)
        self.process.start()

    def wait_until_watching(self) -> None:
        """Wait until the edge judges pictures, or has ended."""
        while self.process.is_alive():
            if self._log.exists() and b'"watching"' in self._log.read_bytes():
                return
            time.sleep(0.02)

    def end(self, number: int) -> None:
        """Send a signal, and wait for the end."""
        if self.process.pid is not None:
            os.kill(self.process.pid, number)
        self.process.join()


def _live(settings: dict[str, str], log: Path) -> None:
    os.environ.update(settings)
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    sys.argv = ["edge", "run"]
    __main__.main()


def write_pictures(folder: Path) -> None:
    """Write a source in which somebody comes and goes within a second, again and again."""
    folder.mkdir()
    clip = cv2.VideoCapture(str(BUNDLED))
    clip.set(cv2.CAP_PROP_POS_FRAMES, _FACE_AT)
    _, face = clip.read()
    clip.release()
    for number, picture in enumerate([face] * 4 + [face * 0] * 4):
        cv2.imwrite(str(folder / f"{number}.png"), picture)


def strike(folder: Path, kills: int, chance: random.Random) -> Tally:
    """Kill an edge at random moments, let it deliver the rest, and count.

    Args:
        folder: Empty; the state of the edge.
        kills: How often.
        chance: Chooses the moments and the answers that are lost.

    Returns:
        What is left.
    """
    tally = Tally()
    with serving(CloudDouble(chance)) as double:
        written = {"device_id": "d1", "device_key": "k", "gate": "main", "cloud_url": double.url}
        folder.joinpath(IDENTITY).write_text(json.dumps(written))
        identity.load(folder / IDENTITY)
        write_pictures(folder / _PICTURES)
        for _ in range(kills):
            edge = Life(folder)
            if chance.random() < _WATCHING:
                edge.wait_until_watching()
            time.sleep(chance.uniform(0.0, LONGEST_LIFE_S))
            edge.end(signal.SIGKILL)
            tally.kills += 1
            tally.damaged += _is_damaged(folder / OUTBOX)
        double.is_kind = True
        edge = Life(folder, **camera.BLIND)
        deadline = time.monotonic() + _DRAIN_S
        while camera.left(folder) and edge.process.is_alive() and time.monotonic() < deadline:
            time.sleep(0.2)
        edge.end(signal.SIGTERM)
        arrived = list(double.ids)
        tally.repeated = double.repeated
    tally.made = camera.made(folder)
    tally.arrived = len(arrived)
    tally.lost = tally.made - len(arrived)
    # The id is a UUIDv7, which rises with the time at which an event is made.
    tally.out_of_order = sum(a > b for a, b in pairwise(arrived))
    tally.damaged += _is_damaged(folder / OUTBOX) + len(list(folder.glob("*.damaged-*")))
    return tally


def _is_damaged(path: Path) -> bool:
    """Let SQLite check the outbox as the kill has left it."""
    if not path.exists() or not path.stat().st_size:
        return False
    try:
        database.inspect(path)
    except OutboxError as error:
        # A kill may strike before the tables are there.
        return "no such table" not in str(error)
    return False


def main(
    kills: Annotated[int, typer.Option(min=1, help="How often the edge is killed")] = 500,
    seed: Annotated[int, typer.Option(help="Chooses the moments")] = 1,
) -> None:
    """Kill a real edge at random moments, and count what is left."""
    with tempfile.TemporaryDirectory() as folder:
        tally = strike(Path(folder), kills, random.Random(seed))  # noqa: S311
    typer.echo(tally)
    if not tally.is_good:
        sys.exit(1)


if __name__ == "__main__":
    typer.run(main)
