"""The page shows each value of an answer, also one that only a newer cloud sends."""

import types
from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from typing import Any, Union, get_args, get_origin

import pytest
from pydantic import BaseModel

from cloud.client import Unread
from cloud.contract import (
    Channel,
    Delivery,
    Device,
    EventRecord,
    Gate,
    Label,
)
from dashboard.client import Client
from dashboard.markup import TEMPLATES, render
from dashboard.wording.banner import Tone, banner_for
from dashboard.wording.clock import LocalClock
from dashboard.wording.devices import remarks_on_devices
from dashboard.wording.tables import delivery_row, event_row
from tests.dashboard.cloud_double import CloudDouble
from tests.dashboard.test_app import html_of, open_page

Place = tuple[str, ...]


def enums_in(model: type[BaseModel], above: Place = ()) -> Iterator[tuple[Place, type[StrEnum]]]:
    """Yield every place in a model, however deep, that holds a member of an enum."""
    for name, field in model.model_fields.items():
        for kind in _kinds(field.annotation):
            if issubclass(kind, StrEnum):
                yield (*above, name), kind
            elif issubclass(kind, BaseModel):
                yield from enums_in(kind, (*above, name))


def _kinds(annotation: Any) -> Iterator[type]:
    if get_origin(annotation) in (Union, types.UnionType):
        for part in get_args(annotation):
            yield from _kinds(part)
    elif isinstance(annotation, type):
        yield annotation


def changed(item: BaseModel, place: Place, value: str) -> Any:
    """Return the item with `value` at a place, unchecked, as a newer cloud would send it."""
    name, *rest = place
    inner = getattr(item, name)
    return item.model_copy(update={name: changed(inner, tuple(rest), value) if rest else value})


SHOWN = [
    (model, place, kind)
    for model in (Gate, Device, EventRecord, Delivery)
    for place, kind in enums_in(model)
]
"""Every enum in the models that the page reads."""

EVENTS = [place for model, place, _ in SHOWN if model is EventRecord]
REASON: Place = ("refusal", "reason")
"""The page shows an unknown reason as its text."""

DELIVERIES = [place for model, place, _ in SHOWN if model is Delivery]
DEVICES = [place for model, place, _ in SHOWN if model is Device]


def test_the_places_are_found() -> None:
    assert {("label",), ("access",), ("refusal", "reason"), ("pass_record", "status")} == set(
        EVENTS
    )
    assert {("channel",), ("status",)} <= set(DELIVERIES)
    assert {("last_heartbeat", "camera"), ("status",)} == set(DEVICES)


@pytest.fixture
def double() -> CloudDouble:
    return CloudDouble()


def clock_of(double: CloudDouble) -> LocalClock:
    return LocalClock.of("UTC", double.now())


def sample(double: CloudDouble, model: type[BaseModel], place: Place) -> BaseModel:
    if model is Delivery:
        return double.deliver(double.grant())
    if model is Device:
        return double.devices[0]
    if model is Gate:
        return double.gates[0]
    return double.refuse() if place[0] == "refusal" else double.grant()


@pytest.mark.parametrize(
    ("model", "place", "member"),
    [(model, place, member) for model, place, kind in SHOWN for member in kind],
    ids=lambda value: value if isinstance(value, str) else getattr(value, "__name__", str(value)),
)
def test_every_member_has_its_words(
    double: CloudDouble, model: type[BaseModel], place: Place, member: StrEnum
) -> None:
    item = changed(sample(double, model, place), place, member)
    clock = clock_of(double)
    if isinstance(item, EventRecord):
        banner = banner_for(item, clock, timedelta(seconds=30))
        assert banner.title
        assert banner.message
        assert render("events", rows=[event_row(item, clock)], with_gate=True)
    elif isinstance(item, Delivery):
        assert render("deliveries", rows=[delivery_row(item, clock)])
    elif isinstance(item, Device):
        ((_, words),) = remarks_on_devices([item], double.gates[0], clock)
        assert item.name in words


@pytest.mark.parametrize(
    "name",
    [
        *(
            f"mg-chip-{member}"
            for _, place, kind in SHOWN
            for member in kind
            if place in {("access",), ("status",)} and kind.__name__ in {"Access", "DeliveryStatus"}
        ),
        *(f"mg-{tone}" for tone in Tone),
    ],
)
def test_every_state_has_its_colours(name: str) -> None:
    assert f".{name} " in (TEMPLATES / "page.css").read_text().replace(",", " ,")


@pytest.mark.parametrize("place", [p for p in EVENTS if p != REASON], ids=".".join)
def test_an_event_of_a_newer_cloud_is_one_unknown_row(cloud: CloudDouble, place: Place) -> None:
    known = cloud.refuse(label=Label.INCORRECT_MASK)
    newer = cloud.grant()
    cloud.events[0] = changed(newer, place, "never_heard_of")
    said = html_of(open_page())
    assert said.count('data-testid="unread"') == 1
    assert "never_heard_of" in said
    assert "Update the dashboard" in said
    assert f'data-event="{newer.id}"' in said
    assert f'data-event="{known.id}"' in said
    assert "Mask worn wrongly" in said
    assert 'data-testid="trouble"' not in said
    assert 'data-testid="qr"' not in said  # no promise is made of what is not understood


def test_a_refusal_for_a_reason_of_a_newer_cloud_says_its_message_and_beeps_at_nobody(
    double: CloudDouble,
) -> None:
    event = changed(double.refuse(), REASON, "never_heard_of")
    assert isinstance(event, EventRecord)
    assert event.refusal is not None
    banner = banner_for(event, clock_of(double), timedelta(seconds=30))
    assert (banner.tone, banner.message) == (Tone.OVER, event.refusal.message)
    assert banner.refusal is None


@pytest.mark.parametrize("place", DELIVERIES, ids=".".join)
def test_a_message_of_a_newer_cloud_is_one_unknown_row(cloud: CloudDouble, place: Place) -> None:
    cloud.deliver(cloud.grant())
    cloud.deliveries.insert(0, changed(cloud.deliver(cloud.grant()), place, "never_heard_of"))
    del cloud.deliveries[1]
    said = html_of(open_page())
    assert said.count('data-testid="unread"') == 1
    assert said.count('data-testid="delivery"') == 2
    assert "never_heard_of" in said


@pytest.mark.parametrize("place", DEVICES, ids=".".join)
def test_a_device_of_a_newer_cloud_is_named(cloud: CloudDouble, place: Place) -> None:
    cloud.devices[0] = changed(cloud.devices[0], place, "never_heard_of")
    said = html_of(open_page())
    assert "The state of Door Pi cannot be shown" in said
    assert "No device is enrolled" not in said


def test_a_gate_that_cannot_be_read_is_named(cloud: CloudDouble) -> None:
    cloud.gates.append(cloud.gates[0].model_copy(update={"id": "ward-2", "name": ""}))
    said = html_of(open_page(gate="main"))
    assert "The gate ward-2 cannot be shown" in said
    assert 'data-state="waiting"' in said


def test_an_unknown_row_keeps_its_place_and_says_what_is_unknown(
    cloud: CloudDouble, client: Client
) -> None:
    older, middle, newer = cloud.refuse(), cloud.refuse(), cloud.refuse()
    cloud.events[1] = middle.model_copy(update={"label": "half_mask", "cursor": None})
    rows = client.events().rows
    assert (rows[0], rows[2]) == (newer, older)
    assert isinstance(rows[1], Unread)
    assert rows[1].text("id") == str(middle.id)
    assert "label 'half_mask'" in rows[1].why
    assert "cursor None" in rows[1].why


def test_a_message_about_a_webhook_is_shown(cloud: CloudDouble) -> None:
    for channel in Channel:
        cloud.deliver(cloud.grant(), channel=channel, address=f"to-{channel}")
    said = html_of(open_page())
    assert 'data-testid="unread"' not in said
    for words in ("Webhook", "to-webhook", "E-mail", "Telegram chat"):
        assert words in said
