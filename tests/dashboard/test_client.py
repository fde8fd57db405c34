"""The client over real HTTP: each failure of a call has its own error."""

from datetime import UTC, datetime, timedelta

import pytest

from cloud.contract import Access, DeliveryStatus, Label, PassStatus, ProblemCode
from dashboard.client import Client
from dashboard.errors import (
    ApiRefused,
    ApiUnreachable,
    ApiUnreadable,
    KeyRefused,
    PassOver,
    RoleForbidden,
    StoreUnavailable,
)
from dashboard.settings import load_settings
from tests.dashboard.cloud_double import KEY, CloudDouble
from tests.dashboard.cloud_server import Behaviour


def test_what_is_read_is_what_the_cloud_has(cloud: CloudDouble, client: Client) -> None:
    refused, granted = cloud.refuse(), cloud.grant()
    assert client.gates() == cloud.gates
    assert client.events(gate="main").rows == [granted, refused]
    assert client.events(access=Access.REFUSED).rows == [refused]
    assert client.events(label=Label.WITH_MASK).rows == [granted]
    assert client.devices() == cloud.devices


def test_deliveries_are_filtered_by_the_cloud(cloud: CloudDouble, client: Client) -> None:
    event = cloud.grant()
    cloud.deliver(event)
    kept = cloud.deliver(event, status=DeliveryStatus.UNDELIVERED_BY_CHOICE)
    page = client.deliveries(gate="main", status=DeliveryStatus.UNDELIVERED_BY_CHOICE)
    assert page.rows == [kept]


def test_the_newest_event_is_found_past_empty_pages(cloud: CloudDouble, client: Client) -> None:
    event = cloud.refuse(gate="main")
    for _ in range(3):
        cloud.refuse(gate="elsewhere")
    cloud.looks_at_most = 1
    assert client.newest_event("main") == event
    assert client.newest_event("nowhere") is None


def test_a_pass_gives_its_code_until_it_is_over(cloud: CloudDouble, client: Client) -> None:
    event = cloud.grant()
    assert event.pass_record is not None
    assert client.pass_qr(event.pass_record.id).startswith(b"\x89PNG")
    cloud.end_pass(event, PassStatus.REDEEMED)
    with pytest.raises(PassOver) as caught:
        client.pass_qr(event.pass_record.id)
    assert caught.value.code is ProblemCode.PASS_OVER


def test_nobody_there(cloud: CloudDouble, client: Client) -> None:
    cloud.close()
    with pytest.raises(ApiUnreachable, match="DASHBOARD_API_URL") as caught:
        client.gates()
    assert cloud.url in caught.value.what


def test_somebody_who_never_answers(cloud: CloudDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASHBOARD_API_TIMEOUT_S", "0.1")
    cloud.behaviour = Behaviour.SILENT
    with Client(load_settings()) as client, pytest.raises(ApiUnreachable, match=r"within 0\.1 s"):
        client.gates()


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (Behaviour.STORE_AWAY, StoreUnavailable),
        (Behaviour.ANOTHER_SITE, ApiUnreadable),
        (Behaviour.BAD_GATEWAY, ApiUnreadable),
        (Behaviour.KIOSK, RoleForbidden),
    ],
)
def test_each_refusal_has_a_name_and_a_mend(
    cloud: CloudDouble, client: Client, behaviour: Behaviour, error: type[Exception]
) -> None:
    cloud.behaviour = behaviour
    with pytest.raises(error) as caught:
        client.deliveries()
    assert caught.value.mend  # type: ignore[attr-defined]


def test_a_wrong_key_is_not_repeated(cloud: CloudDouble, client: Client) -> None:
    cloud.key = "another"
    with pytest.raises(KeyRefused, match="DASHBOARD_API_KEY") as caught:
        client.events()
    assert KEY not in str(caught.value)


def test_a_picture_that_is_none(cloud: CloudDouble, client: Client) -> None:
    event = cloud.grant()
    assert event.pass_record is not None
    cloud.behaviour = Behaviour.ANOTHER_SITE
    with pytest.raises(ApiUnreadable, match="PNG"):
        client.pass_qr(event.pass_record.id)


def test_an_unforeseen_problem_still_says_what_the_cloud_said(
    cloud: CloudDouble, client: Client
) -> None:
    cloud.behaviour = Behaviour.BROKEN
    with pytest.raises(ApiRefused, match="Something broke"):
        client.gates()


@pytest.mark.parametrize("ahead", [timedelta(hours=-5), timedelta(0), timedelta(hours=5)])
def test_now_is_by_the_clouds_clock(cloud: CloudDouble, client: Client, ahead: timedelta) -> None:
    cloud.ahead = ahead
    client.gates()
    assert abs(client.now() - (datetime.now(UTC) + ahead)) < timedelta(minutes=1)
