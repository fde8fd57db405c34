from collections.abc import Callable

import pytest

from cloud.contract import DeliveryStatus, Event, Label
from cloud.store import Store, now
from tests.cloud.builders import accept, subscribe
from tests.cloud.conftest import GATE, OTHER_GATE


@pytest.fixture
def kept(store: Store, make_event: Callable[..., Event]) -> list[str]:
    """Six deliveries, the oldest first: four at one gate and then two at the other."""
    for gate in (GATE, OTHER_GATE):
        subscribe(store, gate=gate)
    for gate in [GATE] * 4 + [OTHER_GATE] * 2:
        accept(store, make_event(Label.WITHOUT_MASK), gate=gate)
    items, read_on = store.deliveries.page(gate=None, status=None, before=None, limit=50)
    assert read_on is None
    return [item.id for item in reversed(items)]


def read(store: Store, limit: int, **wanted: object) -> list[str]:
    """Every page, one after the other."""
    asked = {"gate": None, "status": None, **wanted}
    ids: list[str] = []
    before: str | None = None
    while True:
        items, before = store.deliveries.page(**asked, before=before, limit=limit)  # type: ignore[arg-type]
        assert len(items) <= limit
        ids += [item.id for item in items]
        if before is None:
            return ids


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 50])
def test_pages_hold_all_once_newest_first(store: Store, kept: list[str], limit: int) -> None:
    assert read(store, limit) == kept[::-1]
    assert read(store, limit, gate=GATE) == kept[3::-1]


@pytest.mark.parametrize("limit", [1, 2, 50])
def test_a_status_is_looked_up_as_it_is_now(store: Store, kept: list[str], limit: int) -> None:
    for delivery_id in (kept[0], kept[3], kept[5]):
        assert store.deliveries.settle(delivery_id, DeliveryStatus.FAILED, now(), "blocked")
    failed = read(store, limit, status=DeliveryStatus.FAILED)
    assert failed == [kept[5], kept[3], kept[0]]
    assert read(store, limit, status=DeliveryStatus.SENT) == []
    assert len(read(store, limit, status=DeliveryStatus.PENDING, gate=GATE)) == 2


def test_what_is_settled_stays_as_it_was_settled(store: Store, kept: list[str]) -> None:
    settled = now()
    assert store.deliveries.settle(kept[0], DeliveryStatus.SENT, settled)
    assert not store.deliveries.settle(kept[0], DeliveryStatus.FAILED, now(), "too late")
    delivery = store.deliveries.get(kept[0])
    assert delivery is not None
    assert (delivery.status, delivery.detail) == (DeliveryStatus.SENT, "")
    assert delivery.settled_at == settled


def test_settling_what_is_gone_makes_nothing(store: Store) -> None:
    assert not store.deliveries.settle("nothing", DeliveryStatus.SENT, now())
    assert store.deliveries.get("nothing") is None
