"""The plan of a run: the events of devices, the visitors, and the faults with their times.

A fault strikes when so many events have been delivered, not at a time of day, so that a slow
machine meets the same plan as a fast one. The same seed makes the same plan.
"""

import random
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from cloud.contract import Label

CAMERA = "camera"
WITH_MASK_SHARE = 0.7
COPIES = 20
"""How often a repeated event is sent at the same time."""

CLOCK_OFF_S = 3600.0
BURSTS = 3


class Fault(StrEnum):
    """The kinds of faults."""

    KILL = "kill"
    """kill -9, and a start some seconds later."""

    KILL_AT_SEND = "kill at send"
    """kill -9 between a message's arrival at the Bot API and its answer."""

    PAUSE = "pause"
    """SIGSTOP, and SIGCONT some seconds later."""

    FLOOD = "429"
    BREAK_DOWN = "500"
    HANG = "hang"
    """No answer; the message is not taken."""

    SWALLOW = "swallow"
    """No answer; the message is taken."""

    CUT = "cut"
    """The answer ends in the middle; the message is not taken."""

    CUT_TAKEN = "cut, taken"
    """The answer ends in the middle; the message is taken."""

    MAIL_DOWN = "mail down"
    MAIL_HANGS = "mail hangs"
    ODD_UPDATE = "odd update"
    """An update for the bot that is malformed."""


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault, and when it strikes.

    Args:
        at: delivered events at which it strikes.
        fault: what goes wrong.
        target: the part that it happens to.
        seconds: until the part is started, resumed or mended again; for a 429, what it asks for.
        times: how many messages it happens to, where it happens to messages.
    """

    at: int
    fault: Fault
    target: str
    seconds: float = 0.0
    times: int = 1


@dataclass(frozen=True, slots=True)
class Order:
    """One event that a device is to see.

    Args:
        label: what it sees.
        wait_s: how long after the one before.
        clock_off_s: by how much the device's clock is wrong.
        copies: how many callers send it at once, beside the courier.
    """

    label: Label
    wait_s: float
    clock_off_s: float = 0.0
    copies: int = 0


@dataclass(frozen=True, slots=True)
class Visit:
    """A visitor who asks the bot for the next pass of a gate."""

    at: int
    gate: int


@dataclass(frozen=True, slots=True)
class Scale:
    """The size of a run.

    Args:
        rounds: how often all faults are gone through.
        events: in each round, from all devices.
        devices: each at a gate of its own.
        workers: processes that do jobs.
        kills: how often each of the parts is killed in a round.
        pause_s: how long Redis is paused.
        wait_s: mean seconds between two events of a device.
        camera: whether there is a real edge besides, at a gate of its own.
    """

    rounds: int = 1
    events: int = 1000
    devices: int = 5
    workers: int = 2
    kills: int = 2
    pause_s: float = 10.0
    wait_s: float = 0.7
    camera: bool = True


@dataclass(frozen=True, slots=True)
class Plan:
    """The events, visitors and faults of a run, in order."""

    strikes: tuple[Strike, ...]
    visits: tuple[Visit, ...]
    orders: tuple[tuple[Order, ...], ...]
    """For each device."""

    @property
    def events(self) -> int:
        """The number of events that all devices will see."""
        return sum(len(each) for each in self.orders)


def make(seed: int, scale: Scale) -> Plan:
    """Return the plan for a seed and a scale."""
    chance = random.Random(seed)  # noqa: S311 (a plan to be repeated, not a secret)
    strikes: list[Strike] = []
    visits: list[Visit] = []
    orders: list[list[Order]] = [[] for _ in range(scale.devices)]
    for number in range(scale.rounds):
        begin = number * scale.events
        strikes += _strikes(chance, scale, begin)
        visits += _visits(chance, scale, begin)
        for device, orders_of_it in enumerate(_orders(chance, scale)):
            orders[device] += orders_of_it
    return Plan(tuple(strikes), tuple(visits), tuple(tuple(each) for each in orders))


def _strikes(chance: random.Random, scale: Scale, begin: int) -> list[Strike]:
    """All faults of one round, in random order, spread over its events."""
    kinds = ("api", "worker", "bot", "redis", "edge", *([CAMERA] if scale.camera else []))
    killed = kinds * scale.kills
    faults = [
        Strike(0, Fault.KILL, _one_of(chance, scale, name), chance.uniform(0.2, 3.0))
        for name in killed
    ]
    faults += [
        Strike(0, Fault.PAUSE, "redis", scale.pause_s),
        Strike(0, Fault.FLOOD, "bot api", chance.randint(1, 4), chance.randint(1, 3)),
        Strike(0, Fault.BREAK_DOWN, "bot api", times=chance.randint(1, 5)),
        Strike(0, Fault.HANG, "bot api"),
        Strike(0, Fault.SWALLOW, "bot api"),
        Strike(0, Fault.CUT, "bot api", times=chance.randint(1, 3)),
        Strike(0, Fault.CUT_TAKEN, "bot api", times=chance.randint(1, 3)),
        Strike(0, Fault.MAIL_DOWN, "mail", scale.pause_s),
        Strike(0, Fault.MAIL_HANGS, "mail", scale.pause_s),
        Strike(0, Fault.ODD_UPDATE, "bot api"),
    ]
    chance.shuffle(faults)
    for target in ("worker", "redis"):
        # Not among the last, since this fault needs a pass that is sent after it.
        at_send = Strike(0, Fault.KILL_AT_SEND, target, chance.uniform(0.2, 1.0))
        faults.insert(chance.randrange(len(faults) * 2 // 3), at_send)
    # No fault strikes in the first and the last tenth, so that all strike in full flow.
    room = scale.events * 0.8 / len(faults)
    places = [begin + scale.events * 0.1 + room * (i + chance.random()) for i in range(len(faults))]
    return [
        Strike(int(at), each.fault, each.target, each.seconds, each.times)
        for at, each in zip(places, faults, strict=True)
    ]


def _one_of(chance: random.Random, scale: Scale, name: str) -> str:
    many = {"worker": scale.workers, "edge": scale.devices}
    return f"{name} {chance.randrange(many[name])}" if name in many else name


def _visits(chance: random.Random, scale: Scale, begin: int) -> list[Visit]:
    """One visitor for about every third event."""
    places = sorted(chance.randrange(scale.events) for _ in range(max(scale.events // 3, 1)))
    return [Visit(begin + at, chance.randrange(scale.devices)) for at in places]


def _orders(chance: random.Random, scale: Scale) -> list[list[Order]]:
    cuts = [scale.events * i // scale.devices for i in range(scale.devices + 1)]
    wrong_clock = chance.randrange(scale.devices)
    off_s = chance.choice((-CLOCK_OFF_S, CLOCK_OFF_S))
    bursts = {chance.randrange(scale.events) for _ in range(BURSTS)}
    refused = (Label.WITHOUT_MASK, Label.INCORRECT_MASK)
    return [
        [
            Order(
                Label.WITH_MASK if chance.random() < WITH_MASK_SHARE else chance.choice(refused),
                chance.uniform(0.2, 1.8) * scale.wait_s,
                off_s if device == wrong_clock else 0.0,
                COPIES if number in bursts else 0,
            )
            for number in range(begin, end)
        ]
        for device, (begin, end) in enumerate(pairwise(cuts))
    ]
