from datetime import timedelta

from cloud.contract import Language
from cloud.store import Store, now
from tests.cloud.conftest import GATE, OTHER_GATE

WAIT = timedelta(minutes=10)


def test_visitors_wait_in_the_order_in_which_they_came(store: Store) -> None:
    assert store.visitors.join(GATE, "1", now(), WAIT) == 0
    assert store.visitors.join(GATE, "2", now(), WAIT, Language.ES) == 1
    assert store.visitors.join(GATE, "1", now(), WAIT) == 0
    assert store.visitors.place("2", now()) == (GATE, 1)
    assert store.visitors.waiting(GATE, now()) == 2
    first, second = store.events.policy_context(GATE).visitors
    assert (first.chat, second.chat, second.language) == ("1", "2", Language.ES)


def test_a_chat_waits_at_one_gate(store: Store) -> None:
    store.visitors.join(GATE, "1", now(), WAIT)
    store.visitors.join(OTHER_GATE, "1", now(), WAIT)
    assert store.visitors.waiting(GATE, now()) == 0
    assert store.visitors.place("1", now()) == (OTHER_GATE, 0)
    assert store.visitors.leave("1") == OTHER_GATE
    assert store.visitors.leave("1") is None
    assert store.visitors.waiting(OTHER_GATE, now()) == 0


def test_a_wait_runs_out(store: Store) -> None:
    store.visitors.join(GATE, "1", now(), timedelta(minutes=1))
    store.visitors.join(GATE, "2", now(), WAIT)
    later = now() + timedelta(minutes=2)
    assert store.visitors.waiting(GATE, later) == 1
    assert store.visitors.place("1", later) is None
    assert store.visitors.join(GATE, "3", later, WAIT) == 1
