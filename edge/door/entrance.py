"""One entrance: assembled from its settings, and run until its readers end."""

import signal
import socket
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

import structlog
from pydantic import SecretStr
from rich.console import Console

from edge.capture.camera import Camera
from edge.capture.sources import Source
from edge.delivery.client import Client
from edge.door import hub, readers
from edge.door.admission import Admission, OfflineRules
from edge.door.claims import Claims
from edge.door.hub_client import HubAddress, HubClient
from edge.door.ledger import Ledger
from edge.door.locks import Buzzer, CommandLock, ConsoleLock, Lock, Locks, RelayLock, WebhookLock
from edge.door.reconciliation import Reconciliation
from edge.door.settings import DoorSettings
from edge.door.signatures import PassVerifier
from edge.liveness import Liveness
from edge.settings import Settings

_log = structlog.get_logger(__name__)

STUCK_AFTER_S: Final = 30.0
"""Seconds that an answer may take. Cloud and hub count as away much earlier."""


@dataclass(frozen=True, slots=True)
class EntranceReport:
    """What a run came to: the codes that were read, and the bearers who were admitted."""

    codes: int
    admitted: int


@dataclass(slots=True)
class AnswerProgress:
    """How far the answers of a run are.

    Attributes:
        codes: Codes that were read.
        admitted: Bearers who were admitted.
        answering_since: When the answer under way began, by the monotonic clock; None between two.
    """

    codes: int = 0
    admitted: int = 0
    answering_since: float | None = None

    def stuck(self) -> list[str]:
        """Return the part that is stuck, for the heartbeat."""
        since = self.answering_since
        is_stuck = since is not None and time.monotonic() - since > STUCK_AFTER_S
        return ["answer"] if is_stuck else []

    def status(self) -> str:
        """Return a line for `systemctl status`."""
        return f"{self.codes} codes read, {self.admitted} admitted"


def run(settings: Settings, door: DoorSettings, console: Console | None) -> EntranceReport:
    """Read codes and open the lock, until the readers end or somebody stops the process.

    Args:
        settings: Of this installation.
        door: Of this door.
        console: Gets a line for each answer; None where the log alone is written.

    Returns:
        What the run came to.

    Raises:
        EdgeError: A part cannot be used.
    """
    with ExitStack() as cleanup:
        ledger = cleanup.enter_context(Ledger(settings.state_dir / "door.db"))
        client = cleanup.enter_context(
            Client(settings.cloud_address(), key=door.key, timeout_s=door.answer_timeout_s)
        )
        locks = Locks(_locks(door, console))
        cleanup.callback(locks.close)
        admission = Admission(client, ledger, _rules(door, cleanup))
        reconciliation = Reconciliation(ledger, client, door.gate)
        progress = AnswerProgress()
        liveness = Liveness(settings.heartbeat_file, progress.stuck, progress.status)
        running = readers.RunningReaders([_reader(name, settings) for name in door.readers])
        _stop_on_signals(running)
        running.start()
        reconciliation.start()
        cleanup.callback(reconciliation.stop)
        cleanup.callback(running.stop)
        liveness.start()
        cleanup.callback(liveness.stop)
        _log.info("door_watches", readers=list(door.readers), offline=door.offline.value)
        while (text := running.next()) is not None:
            progress.answering_since = time.monotonic()
            answer = admission.decide(text)
            locks.on_answer(answer)
            progress.answering_since = None
            progress.codes += 1
            progress.admitted += answer.opens
            _log.info("code_answered", outcome=answer.outcome, offline=answer.offline)
        return EntranceReport(progress.codes, progress.admitted)


def run_hub(settings: Settings, key: SecretStr, host: str, port: int) -> None:
    """Serve the hub of a site until SIGTERM or Ctrl-C.

    Args:
        settings: Of this installation.
        key: That each door must send.
        host: Address to listen on.
        port: Port to listen on.

    Raises:
        EdgeError: The port is taken, or the list of claims cannot be used.
    """
    claims = Claims(settings.state_dir / "claims.db")
    try:
        server = hub.serve(claims, key, host, port)
        stopping = threading.Event()

        def stop(_number: int, _frame: object) -> None:
            # `shutdown` waits for the loop that this handler has interrupted.
            if not stopping.is_set():
                stopping.set()
                threading.Thread(target=server.shutdown, daemon=True).start()

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        _log.info("hub_listens", host=host, port=server.server_address[1])
        with server:
            server.serve_forever(poll_interval=0.2)
    finally:
        claims.close()


def _rules(door: DoorSettings, cleanup: ExitStack) -> OfflineRules:
    claim = None
    if door.hub is not None and door.hub_key is not None:
        address = HubAddress(str(door.hub), door.hub_key, socket.gethostname())
        claim = cleanup.enter_context(HubClient(address)).claim
    return OfflineRules(
        door.offline, door.gate, PassVerifier(door.public_keys), claim, door.without_hub
    )


def _reader(name: str, settings: Settings) -> readers.Reader:
    if name == "camera":
        source = Source.parse(settings.source.get_secret_value())
        return readers.CameraReader(Camera(source, folder_fps=settings.folder_fps))
    if name == "lines":
        return readers.standard_input()
    return readers.SerialReader(name.removeprefix("serial:"))


def _locks(door: DoorSettings, console: Console | None) -> list[Lock]:
    locks: list[Lock] = [] if console is None else [ConsoleLock(console)]
    if door.relay_pin is not None:
        locks.append(RelayLock(door.relay_pin, door.open_s, active_low=door.relay_active_low))
    if door.buzzer_pin is not None:
        locks.append(Buzzer(door.buzzer_pin))
    if door.open_command is not None:
        locks.append(CommandLock(door.open_command))
    if door.open_webhook is not None:
        locks.append(WebhookLock(str(door.open_webhook)))
    return locks


def _stop_on_signals(running: readers.RunningReaders) -> None:
    """End the run at the first SIGINT or SIGTERM; a second signal ends the process at once."""

    def stop(number: int, _frame: object) -> None:
        signal.signal(number, before[signal.Signals(number)])
        # A handler must not wait for the lock of the queue that the main thread may hold.
        threading.Thread(target=running.stop, daemon=True).start()

    before = {n: signal.signal(n, stop) for n in (signal.SIGINT, signal.SIGTERM)}
