"""The tally: the contents of the stores and the doubles at the end, compared with each other.

No sender is asked what it believes to have sent. What was seen is in the devices' journals and
outboxes, what was decided in Redis, and what arrived is with the Bot API and the mail server.

The documented window (docs/operate.md): a message may come twice where whoever sends it cannot
know, or cannot write down, that it was taken over. So each repetition has to be explained by an
answer that was lost, or by a worker killed or a Redis gone at that time.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Final
from uuid import UUID

from chaos.director import Blow
from chaos.doors import Attempt, admissions
from chaos.plan import Fault
from cloud.contract import Access, Channel, Delivery, EventRecord

WINDOW_S: Final = 20.0
"""Seconds after a message was accepted in which its worker may still be writing that: it waits
for a Redis that is away."""

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message that one of the doubles accepted.

    Args:
        at: when, on the monotonic clock.
        answered: whether its sender was told so.
    """

    at: float
    answered: bool = True


@dataclass(frozen=True, slots=True)
class Mailed:
    """One mail: the events that it lists, and how many more it counts."""

    address: str
    events: frozenset[str]
    unnamed: int
    arrival: Arrival


@dataclass(frozen=True, slots=True)
class Evidence:
    """The contents of the stores and the doubles.

    Args:
        seen: ids of the events in the devices' journals.
        by_edge: how many events a real edge has made, which keeps no journal, by its gate.
        undelivered: how many of them still wait in outboxes, or were rejected.
        events: all that Redis holds.
        deliveries: all that Redis holds.
        passes: number of records of passes in Redis.
        tokens: of the passes, by the id of the pass.
        arrivals: at the Bot API, by what arrived; see `key_of`.
        mails: at the mail server.
        attempts: to enter.
        disagreed: events sent many times at once that were answered with more than one pass.
        blows: faults that struck parts.
        visitors: chats that asked the bot for a place, and got one.
        asked_again: how often they had to ask once more.
    """

    seen: frozenset[UUID]
    undelivered: int
    events: tuple[EventRecord, ...]
    deliveries: tuple[Delivery, ...]
    passes: int
    tokens: Mapping[UUID, str] = field(repr=False)
    arrivals: Mapping[Key, tuple[Arrival, ...]] = field(repr=False)
    mails: tuple[Mailed, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    disagreed: int = 0
    blows: tuple[Blow, ...] = ()
    visitors: int = 0
    asked_again: int = 0
    by_edge: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tally:
    """The line that a run ends with."""

    acknowledged: int
    by_edge: int
    """Those of these that a real edge made."""

    stored: int
    passes: int
    admitted_events: int
    redeemed_once: int
    redeemed_twice: int
    messages_expected: int
    messages_lost: int
    messages_doubled: int
    doubled_because: Mapping[str, int]
    doubled_outside_window: int
    taken_up_again_s: float
    """The longest time from a worker's death to the second send of its message, in seconds."""

    slowest_pass_s: float
    """The longest time from an accepted event to its pass's arrival, with outages, in seconds."""

    visitors: int
    visitors_asked_again: int
    """How often a visitor had to write to the bot again."""

    kills: int
    faults: list[str] = field(default_factory=list)
    """The faults that were found, in words; empty where there are none."""


def count(found: Evidence) -> Tally:
    """Compare the evidence with the promises."""
    admitted = [event for event in found.events if event.access is Access.GRANTED]
    admissions_by_token = admissions(list(found.attempts))
    wanted = _wanted(found)
    lost = [key for key, number in wanted.items() if len(found.arrivals.get(key, ())) < number]
    lost_mails = _lost_mails(found)
    doubled = _doubled(found, wanted)
    explained = [_explanation(first, again, found.blows) for first, again in doubled]
    workers = [
        again.at - blow.begin
        for (_, again), blow in zip(doubled, explained, strict=True)
        if isinstance(blow, Blow) and blow.target.startswith("worker")
    ]
    at_the_bot_api = {
        key[1]: min(each.at for each in arrived)
        for key, arrived in found.arrivals.items()
        if key[0] == "photo" and arrived
    }
    tally = Tally(
        acknowledged=len(found.seen) + sum(found.by_edge.values()) - found.undelivered,
        by_edge=sum(found.by_edge.values()),
        stored=len(found.events),
        passes=found.passes,
        admitted_events=len(admitted),
        redeemed_once=sum(number == 1 for number in admissions_by_token.values()),
        redeemed_twice=sum(number > 1 for number in admissions_by_token.values()),
        messages_expected=sum(wanted.values()) + _mails_wanted(found),
        messages_lost=len(lost) + len(lost_mails),
        messages_doubled=len(doubled),
        doubled_because=dict(Counter(_in_words(each) for each in explained)),
        doubled_outside_window=sum(each is None for each in explained),
        taken_up_again_s=round(max(workers, default=0.0), 1),
        slowest_pass_s=_slowest_pass_s(found),
        visitors=found.visitors,
        visitors_asked_again=found.asked_again,
        kills=sum(blow.fault in {Fault.KILL, Fault.KILL_AT_SEND} for blow in found.blows),
    )
    return _judged(tally, found, admitted, len(at_the_bot_api))


def _judged(
    tally: Tally, found: Evidence, admitted: list[EventRecord], passes_arrived: int
) -> Tally:
    held = {event.pass_record.id for event in admitted if event.pass_record is not None}
    wrong = {
        f"{tally.acknowledged} events were acknowledged and {tally.stored} are stored": (
            tally.acknowledged != tally.stored
        ),
        "Redis holds events that no device has seen": (
            not {event.id for event in found.events if event.gate not in found.by_edge}
            <= found.seen
        ),
        "Redis holds events that no edge has made": any(
            sum(event.gate == gate for event in found.events) > made
            for gate, made in found.by_edge.items()
        ),
        f"{found.undelivered} events were not delivered": found.undelivered > 0,
        f"{tally.passes} passes for {len(admitted)} admitted events": (
            tally.passes != len(admitted) or len(held) != len(admitted)
        ),
        f"{found.disagreed} events were answered with more than one pass": found.disagreed > 0,
        f"{tally.redeemed_twice} passes admitted twice": tally.redeemed_twice > 0,
        f"{passes_arrived - tally.redeemed_once} passes that arrived admitted nobody": (
            passes_arrived != tally.redeemed_once + tally.redeemed_twice
        ),
        f"{tally.messages_lost} messages are lost": tally.messages_lost > 0,
        f"{tally.doubled_outside_window} messages came twice for no reason": (
            tally.doubled_outside_window > 0
        ),
    }
    tally.faults.extend(words for words, is_so in wrong.items() if is_so)
    return tally


def key_of(
    delivery: Delivery, tokens: Mapping[UUID, str], events: Mapping[UUID, EventRecord]
) -> Key:
    """Return the key by which a message to a chat is found at the Bot API.

    Args:
        delivery: of the message.
        tokens: by pass.
        events: by id.

    Returns:
        The token of a pass, the button of an alert, the text of any other message.
    """
    event = events.get(delivery.event_id)
    if delivery.with_qr and event is not None and event.pass_record is not None:
        return ("photo", tokens.get(event.pass_record.id, "gone"), delivery.address)
    if delivery.subscriber_id is not None and event is not None:
        return ("alert", str(delivery.event_id), delivery.address)
    return ("words", delivery.text, delivery.address)


def _wanted(found: Evidence) -> Counter[Key]:
    """Return the messages that chats must have got: one for each delivery and each event."""
    events = {event.id: event for event in found.events}
    chats = [each for each in found.deliveries if each.channel is Channel.TELEGRAM]
    wanted = Counter(key_of(each, found.tokens, events) for each in chats)
    told = {each.event_id for each in chats}
    wanted.update(("nobody", str(event_id)) for event_id in events.keys() - told)
    return wanted


def _mails(found: Evidence) -> dict[str, set[str]]:
    """Return the events that mails must list, by address."""
    wanted: defaultdict[str, set[str]] = defaultdict(set)
    known = {event.id for event in found.events}
    for each in found.deliveries:
        if each.channel is Channel.EMAIL and each.event_id in known:
            wanted[each.address].add(str(each.event_id))
    return wanted


def _mails_wanted(found: Evidence) -> int:
    return sum(len(events) for events in _mails(found).values())


def _lost_mails(found: Evidence) -> list[str]:
    """Return the refusals that no mail lists."""
    lost: list[str] = []
    for address, wanted in _mails(found).items():
        mails = [each for each in found.mails if each.address == address]
        missing = wanted.difference(*(each.events for each in mails))
        # A digest counts the events that it cannot list.
        allowed = sum(each.unnamed for each in mails)
        lost += sorted(missing)[: max(len(missing) - allowed, 0)]
    refused = {str(event.id) for event in found.events if event.access is Access.REFUSED}
    return lost + sorted(refused.difference(*_mails(found).values()))


def _doubled(found: Evidence, wanted: Mapping[Key, int]) -> list[tuple[Arrival, Arrival]]:
    """Return each repetition, with the arrival before it."""
    doubled: list[tuple[Arrival, Arrival]] = []
    for key, arrived in found.arrivals.items():
        in_order = sorted(arrived, key=lambda each: each.at)
        surplus = len(arrived) - wanted.get(key, 0)
        if surplus <= 0:
            continue
        if wanted.get(key, 0) == 0:
            doubled += [(each, each) for each in in_order]
            continue
        pairs = list(pairwise(in_order))
        # Of several messages with the same text, those without an answer were repeated.
        pairs.sort(key=lambda pair: _explanation(pair[0], pair[1], found.blows) is None)
        doubled += pairs[:surplus]
    for address in {each.address for each in found.mails}:
        mails = sorted(
            (each for each in found.mails if each.address == address),
            key=lambda each: each.arrival.at,
        )
        for place, mail in enumerate(mails):
            before = [each for each in mails[:place] if each.events & mail.events]
            if before:
                doubled.append((before[-1].arrival, mail.arrival))
    return doubled


def _explanation(first: Arrival, again: Arrival, blows: Iterable[Blow]) -> Blow | Arrival | None:
    """Return the fault that kept the answer from the sender between two arrivals, or None."""
    if not first.answered and first is not again:
        return first
    possible = []
    for blow in blows:
        by_worker = blow.target.startswith("worker") and first.at <= blow.begin <= again.at
        by_redis = blow.target == "redis" and blow.begin <= again.at and blow.end >= first.at
        if (by_worker or by_redis) and blow.begin - first.at <= WINDOW_S:
            possible.append(blow)
    return min(possible, key=lambda blow: abs(blow.begin - first.at), default=None)


def _in_words(cause: Blow | Arrival | None) -> str:
    if cause is None:
        return "no reason"
    return f"{cause.fault} {cause.target}" if isinstance(cause, Blow) else "its answer was lost"


def _slowest_pass_s(found: Evidence) -> float:
    took = [
        (each.settled_at - each.created_at).total_seconds()
        for each in found.deliveries
        if each.with_qr and each.settled_at is not None
    ]
    return round(max(took, default=0.0), 1)


def as_line(tally: Tally, **more: object) -> str:
    """Return the one line of JSON."""
    return json.dumps({**asdict(tally), **more})
