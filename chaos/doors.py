"""The doors: scanners that read each code from its picture and redeem it at the same time.

Every second code is shown at once, while its worker may just be dying; the others at the end, for
a pass that was redeemed is not sent again, and whether it is sent again is to be seen as well.
"""

import threading
import time
from collections import defaultdict
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from uuid import uuid4

from chaos.world import World, gate_of_chat
from cloud.client import ApiUnreachable, Client, Unavailable
from cloud.contract import Outcome, RedemptionRequest
from demo.scenario import decode

SCANNERS = 3
AGAIN_AFTER_S = 0.3
LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to enter, with its outcome. Each attempt has its own `nonce`."""

    token: str = field(repr=False)
    nonce: str
    outcome: Outcome


class Doors:
    """Redeems every code that arrives in a chat, with SCANNERS attempts at once."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._stop = threading.Event()
        self._turn = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="doors", daemon=True)
        self._scanners = [ThreadPoolExecutor(1) for _ in range(SCANNERS)]
        self._tried: list[Future[Attempt | None]] = []
        self._read: dict[int, str] = {}
        self._gates: dict[str, str] = {}
        self._later: list[tuple[str, str]] = []
        self._api = Client(world.api_url, world.scanner_key, timeout_s=5)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        for scanner in self._scanners:
            scanner.shutdown(cancel_futures=True)
        self._api.close()

    def tokens(self) -> list[str]:
        """Return the tokens of all photos' codes, in the photos' order."""
        with self._turn:
            return [self._read[number] for number in sorted(self._read)]

    def finish(self) -> list[Attempt]:
        """Scan the other codes, wait, try each code once more, and return all attempts."""
        while len(self._read) < len(self._world.bot_api.photos) and self._thread.is_alive():
            time.sleep(LOOK_S)
        with self._turn:
            later, self._later = self._later, []
        for token, gate in later:
            self._hold_up(token, gate)
        attempts = [each.result() for each in self._tried]
        for token, gate in self._gates.items():
            attempts.append(self._redeem(token, gate))
        return [each for each in attempts if each is not None]

    def _work(self) -> None:
        number = 0
        while not self._stop.wait(LOOK_S):
            for photo in self._world.bot_api.photos[number:]:
                token, gate = decode(photo.photo), gate_of_chat(photo.chat_id)
                with self._turn:
                    self._read[number] = token
                    if number % 2:
                        self._later.append((token, gate))
                    else:
                        self._hold_up(token, gate)
                number += 1

    def _hold_up(self, token: str, gate: str) -> None:
        """Scan one code with all scanners."""
        self._gates[token] = gate
        self._tried += [scanner.submit(self._redeem, token, gate) for scanner in self._scanners]

    def _redeem(self, token: str, gate: str) -> Attempt | None:
        """Try with one nonce until there is an answer; None where the run ends before."""
        attempt = RedemptionRequest(token=token, nonce=uuid4().hex, gate=gate)
        while True:
            with suppress(ApiUnreachable, Unavailable):
                outcome = self._api.redeem_pass(attempt).outcome
                return Attempt(token, attempt.nonce, outcome)
            if self._stop.wait(AGAIN_AFTER_S):
                return None


def admissions(attempts: list[Attempt]) -> dict[str, int]:
    """Return how many attempts each token admitted, by its token."""
    admitted: defaultdict[str, set[str]] = defaultdict(set)
    for each in attempts:
        nonces = admitted[each.token]
        if each.outcome is Outcome.ADMITTED:
            nonces.add(each.nonce)
    return {token: len(nonces) for token, nonces in admitted.items()}
