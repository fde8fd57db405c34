from datetime import timedelta
from pathlib import Path

from chaos import device, plan
from chaos.plan import Order, Scale
from cloud.contract import Label
from edge.delivery.database import inspect
from edge.delivery.outbox import Outbox

ORDERS = plan.make(1, Scale(events=20, devices=1)).orders[0]


def test_orders_are_read_as_they_were_written(tmp_path: Path) -> None:
    device.write_orders(tmp_path, ORDERS)
    assert device.read_orders(tmp_path) == list(ORDERS)


def _saw(folder: Path, order: Order) -> str:
    event = device._seen(order)
    device._append(folder / device.JOURNAL, event.model_dump_json())
    return str(event.id)


def test_a_device_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    device.write_orders(tmp_path, ORDERS)
    with Outbox(tmp_path / device.OUTBOX) as outbox:
        assert device._still_to_see(tmp_path, outbox) == list(ORDERS)
        first, last = (_saw(tmp_path, order) for order in ORDERS[:2])
        # Killed between the journal and the outbox.
        assert device._still_to_see(tmp_path, outbox) == list(ORDERS[2:])
        waiting = outbox.peek()
        assert waiting is not None
        assert str(waiting.id) == last != first
        # Killed once more, now after it: the same event is in the outbox once.
        device._still_to_see(tmp_path, outbox)
    assert inspect(tmp_path / device.OUTBOX).depth == 1
    assert [str(event.id) for event in device.journal(tmp_path)] == [first, last]


def test_a_wrong_clock_shows_in_times_and_in_the_id() -> None:
    right = device._seen(Order(Label.WITH_MASK, 0.1))
    ahead = device._seen(Order(Label.WITH_MASK, 0.1, clock_off_s=plan.CLOCK_OFF_S))
    assert ahead.id.version == 7
    clock = device._clock([Order(Label.WITH_MASK, 0.1, clock_off_s=plan.CLOCK_OFF_S)])
    assert abs(clock() - ahead.occurred_at) < timedelta(seconds=60)
    assert 3590 < (ahead.occurred_at - right.occurred_at).total_seconds() < 3660
    # The first 48 bits are milliseconds since 1970 (RFC 9562 section 5.7).
    assert 3_590_000 < (ahead.id.int >> 80) - (right.id.int >> 80) < 3_660_000
