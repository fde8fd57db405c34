"""The director: strikes the plan's faults while events are delivered, and mends them."""

import heapq
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from chaos import camera, device
from chaos.plan import CAMERA, Fault, Plan, Strike
from chaos.world import VISITORS, World
from cloud.errors import StoreUnavailable
from edge.delivery import database
from edge.errors import OutboxError

LOOK_S = 0.1
ASK_AGAIN_S = 30.0
"""Seconds without an answer after which a visitor writes to the bot again."""

CRASHES_AT_MOST = 10
"""So many parts that ended by themselves end the run."""

AWAY = "cannot be reached"
"""The bot's answer while Redis is away; a visitor who gets it asks again."""


@dataclass(frozen=True, slots=True)
class Blow:
    """A fault that struck: its target, when it struck, and when it was mended (monotonic clock)."""

    fault: Fault
    target: str
    begin: float
    end: float


@dataclass
class Visitor:
    """A visitor who asked the bot for the next pass."""

    chat: int
    gate: int
    asked_at: float
    asked: int = 1
    served: bool = False


@dataclass
class Progress:
    """The progress of a run."""

    events: int
    delivered: int = 0
    struck: int = 0
    strikes: int = 0
    kills: int = 0
    word: str = ""


@dataclass
class Director:
    """Runs one plan against one world.

    Args:
        world: running.
        plan: what is to happen.
        show: told how far it is, some times a second.
    """

    world: World
    plan: Plan
    show: Callable[[Progress], None]
    blows: list[Blow] = field(default_factory=list)
    visitors: list[Visitor] = field(default_factory=list)
    crashes: list[str] = field(default_factory=list)
    """Parts that ended by themselves, with their exit codes."""

    def __post_init__(self) -> None:
        self._strikes = list(self.plan.strikes)
        self._visits = list(self.plan.visits)
        self._mendings: list[tuple[float, int, Callable[[], None]]] = []
        self._turn = threading.Lock()
        self._order = itertools.count()
        self._progress = Progress(self.plan.events, strikes=len(self._strikes))
        self._heard = 0
        self._blind = False
        self._made_at_kill = 0

    def play(self, timeout_s: float) -> bool:
        """Run the plan, and wait until no event or message is under way.

        Returns:
            Whether all events were delivered, all messages settled, and all visitors answered.
        """
        give_up = time.monotonic() + timeout_s
        while time.monotonic() < give_up:
            self._mend()
            for part in self.world.parts.values():
                code = part.look_after()
                if code is not None:
                    self.crashes.append(f"{part.name} ended by itself with {code}")
            if len(self.crashes) >= CRASHES_AT_MOST:
                return False
            self._progress.delivered = self._delivered()
            self._strike()
            self._visit()
            self._progress.kills = self.kills
            self.show(self._progress)
            if self._played and self._camera_rests() and self._all_settled():
                return True
            time.sleep(LOOK_S)
        return False

    def under_way(self) -> list[str]:
        """Return what a run that did not end in time still waits for, in words."""
        unserved = sum(not each.served for each in self.visitors)
        waits = {
            "events of the real edge": not self._camera_rests(),
            f"{self.plan.events - self._progress.delivered} events": (
                self._progress.delivered < self.plan.events
            ),
            f"{len(self._strikes)} faults": bool(self._strikes),
            f"{unserved} visitors without an answer": unserved > 0,
        }
        return [what for what, waited in waits.items() if waited] or ["pending deliveries"]

    @property
    def kills(self) -> int:
        """The number of processes that were killed."""
        return sum(blow.fault in {Fault.KILL, Fault.KILL_AT_SEND} for blow in self.blows)

    @property
    def _played(self) -> bool:
        with self._turn:
            mending = bool(self._mendings)
        return (
            not self._strikes
            and not self._visits
            and not mending
            and all(each.served for each in self.visitors)
            and self._progress.delivered >= self.plan.events
        )

    def _camera_rests(self) -> bool:
        """Return whether the real edge took part, makes no more events, and has delivered all."""
        part, folder = self.world.parts.get(CAMERA), self.world.camera_folder
        if part is None:
            return True
        if not self._blind:
            if camera.made(folder) < max(camera.AT_LEAST, self._made_at_kill + 1):
                self._progress.word = "waiting for the real edge"
                return False
            part.stop()
            self._blind = True
        if camera.left(folder) == 0:
            part.stop()
            return True
        if not part.running:
            settings = {**camera.environment(folder), **camera.BLIND}
            self.world.add(CAMERA, *camera.COMMAND, **settings)
        return False

    def _delivered(self) -> int:
        """Count the events that devices have seen and that are in no outbox any more."""
        done = 0
        for folder in self.world.device_folders():
            path = folder / device.JOURNAL
            if path.exists():
                seen = path.read_bytes().count(b"\n")
                try:
                    done += max(seen - database.inspect(folder / device.OUTBOX).depth, 0)
                except OutboxError:
                    continue
        return done

    def _all_settled(self) -> bool:
        """Return whether no delivery is pending; False while Redis is starting again."""
        self._progress.word = "waiting for the last messages"
        try:
            settled = self._none_is_pending()
        except StoreUnavailable:
            settled = False
        if not settled:
            time.sleep(1)
        return settled

    def _none_is_pending(self) -> bool:
        with self.world.store() as store:
            cursor: str | None = None
            while True:
                page, cursor = store.deliveries.page(
                    gate=None, status=None, before=cursor, limit=500
                )
                if any(each.settled_at is None for each in page):
                    return False
                if cursor is None:
                    return True

    # Faults.

    def _strike(self) -> None:
        while self._strikes and self._strikes[0].at <= self._progress.delivered:
            if not self._hit(self._strikes[0]):
                return
            done = self._strikes.pop(0)
            self._progress.struck += 1
            self._progress.word = f"{done.fault} {done.target}"

    def _hit(self, strike: Strike) -> bool:
        """Strike a fault; return False where its target is down already, so that it has to wait."""
        api, mail = self.world.bot_api, self.world.mail
        match strike.fault:
            case Fault.KILL | Fault.PAUSE:
                return self._hit_a_part(strike)
            case Fault.KILL_AT_SEND:
                if api.before_answer is not None:
                    return False
                api.before_answer = lambda: self._kill_at_send(strike)
            case Fault.FLOOD:
                api.flood(int(strike.seconds), strike.times)
            case Fault.BREAK_DOWN:
                api.break_down(strike.times)
            case Fault.HANG:
                api.hang(strike.times)
            case Fault.SWALLOW:
                api.swallow(strike.times)
            case Fault.CUT:
                api.cut(strike.times)
            case Fault.CUT_TAKEN:
                api.cut(strike.times, taken=True)
            case Fault.MAIL_DOWN:
                mail.stop()
                self._later(strike.seconds, mail.start)
            case Fault.MAIL_HANGS:
                mail.hangs = True
                self._later(strike.seconds, self._let_mail_go_on)
            case Fault.ODD_UPDATE:
                api.push({"message": {"text": 7}})
        return True

    def _hit_a_part(self, strike: Strike) -> bool:
        part = self.world.parts[strike.target]
        if strike.fault is Fault.PAUSE:
            if not part.running:
                return False
            part.pause()
            self._note(strike, time.monotonic(), strike.seconds)
            self._later(strike.seconds, part.resume)
            return True
        made = camera.made(self.world.camera_folder) if strike.target == CAMERA else 0
        if strike.target == CAMERA and made <= self._made_at_kill:
            return False  # The target is still starting, and has nothing to lose yet.
        at = part.kill()
        if at is None:
            return False
        self._made_at_kill = max(made, self._made_at_kill)
        self._note(strike, at, strike.seconds)
        self._later(strike.seconds, part.start)
        return True

    def _kill_at_send(self, strike: Strike) -> None:
        """Kill the worker that waits for the answer to a photo which the double has accepted.

        Nobody knows which worker that is, so it is all of them.
        """
        for part in self.world.parts.values():
            if part.name.partition(" ")[0] == strike.target:
                at = part.kill()
                if at is not None:
                    self._note(Strike(0, strike.fault, part.name), at, strike.seconds)
                    self._later(strike.seconds, part.start)

    def _let_mail_go_on(self) -> None:
        self.world.mail.hangs = False

    def _note(self, strike: Strike, at: float, seconds: float) -> None:
        with self._turn:
            self.blows.append(Blow(strike.fault, strike.target, at, at + seconds))

    def _later(self, seconds: float, mend: Callable[[], None]) -> None:
        with self._turn:
            heapq.heappush(self._mendings, (time.monotonic() + seconds, next(self._order), mend))

    def _mend(self) -> None:
        while True:
            with self._turn:
                if not self._mendings or self._mendings[0][0] > time.monotonic():
                    return
                _, _, mend = heapq.heappop(self._mendings)
            mend()

    # Visitors.

    def _visit(self) -> None:
        while self._visits and self._visits[0].at <= self._progress.delivered:
            gate = self._visits.pop(0).gate
            # The remainder by ten is the number of the chat's gate.
            chat = VISITORS + len(self.visitors) * 10 + gate
            self.visitors.append(Visitor(chat, gate, time.monotonic()))
            self._ask(self.visitors[-1])
        waiting = {str(each.chat): each for each in self.visitors if not each.served}
        messages = self.world.bot_api.messages[self._heard :]
        self._heard += len(messages)
        for message in messages:
            visitor = waiting.get(message.chat_id)
            if visitor is None:
                continue
            if AWAY in message.text:
                visitor.asked_at = min(visitor.asked_at, time.monotonic() - ASK_AGAIN_S + 2)
            else:
                visitor.served = True
        for visitor in waiting.values():
            if not visitor.served and time.monotonic() - visitor.asked_at > ASK_AGAIN_S:
                visitor.asked += 1
                visitor.asked_at = time.monotonic()
                self._ask(visitor)

    def _ask(self, visitor: Visitor) -> None:
        code = self.world.codes[visitor.gate]
        self.world.bot_api.receive(visitor.chat, f"/start gate_{code}")

    def summary(self) -> Counter[str]:
        """Return how often each fault struck which kind of part."""
        told = Counter(f"{blow.fault} {blow.target.partition(' ')[0]}" for blow in self.blows)
        told.update(
            f"{each.fault} {each.target}"
            for each in self.plan.strikes
            if each.fault not in {Fault.KILL, Fault.KILL_AT_SEND, Fault.PAUSE}
        )
        return told
