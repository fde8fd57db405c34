import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from pydantic import SecretStr
from uuid_utils.compat import uuid7

from cloud.contract import Access, EnrolmentRequest, Label, ProblemCode
from edge.delivery.client import Client, is_plain_http_elsewhere
from edge.errors import (
    CloudUnreachableError,
    EnrolmentRefusedError,
    EventRejectedError,
    KeyRefusedError,
)
from tests.edge.cloud_double import CODE, KEY, CloudDouble, decide, problem
from tests.edge.delivery.hung_cloud import hanging
from tests.edge.delivery.test_outbox import event


def post(double: CloudDouble, key: str = KEY) -> Access:
    each = event()
    with Client(double.url, key=SecretStr(key)) as client:
        return client.post_event(each.id, each.model_dump_json()).access


def test_an_event_is_answered(cloud: CloudDouble) -> None:
    assert post(cloud) is Access.GRANTED
    assert len(cloud.events) == 1


def test_an_event_goes_with_what_this_devices_clock_shows(cloud: CloudDouble) -> None:
    each = event()
    moment = datetime(1994, 11, 6, 8, 49, 37, 900_000, tzinfo=UTC)
    with Client(cloud.url, key=SecretStr(KEY), clock=lambda: moment) as client:
        client.post_event(each.id, each.model_dump_json())
    assert cloud.dates == ["Sun, 06 Nov 1994 08:49:37 GMT"]


def test_each_try_says_anew_what_time_it_is(cloud: CloudDouble) -> None:
    each = event()
    moment = datetime(2026, 3, 2, 8, 15, tzinfo=UTC)
    moments = iter([moment, moment + timedelta(minutes=5)])
    with Client(cloud.url, key=SecretStr(KEY), clock=lambda: next(moments)) as client:
        for _ in range(2):
            client.post_event(each.id, each.model_dump_json())
    assert cloud.dates == ["Mon, 02 Mar 2026 08:15:00 GMT", "Mon, 02 Mar 2026 08:20:00 GMT"]


def test_a_reason_of_a_later_version_is_an_answer(cloud: CloudDouble) -> None:
    each = event(Label.WITHOUT_MASK)
    decision = decide(each)
    assert decision.refusal is not None
    body = json.loads(decision.model_dump_json())
    body["refusal"]["reason"] = "of_a_later_version"
    cloud.fail_events = (201, json.dumps(body).encode())
    with Client(cloud.url, key=SecretStr(KEY)) as client:
        answered = client.post_event(each.id, each.model_dump_json())
    assert answered.refusal is not None
    assert answered.refusal.reason == "of_a_later_version"


@pytest.mark.parametrize(
    "code",
    [ProblemCode.MALFORMED_REQUEST, ProblemCode.EVENT_CONFLICT, ProblemCode.BODY_TOO_LARGE],
)
def test_what_will_never_be_accepted_is_told_apart(cloud: CloudDouble, code: ProblemCode) -> None:
    cloud.fail_events = problem(409, code)
    with pytest.raises(EventRejectedError) as caught:
        post(cloud)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "answer",
    [
        (200, b"<html>Please log in to the hotel's network</html>"),
        (200, b"{}"),
        (302, b""),
        (404, b"not here"),
        (422, b"a proxy's own words"),
        (500, b""),
        problem(503, ProblemCode.STORE_UNAVAILABLE),
        problem(404, ProblemCode.NOT_FOUND),
    ],
)
def test_what_is_no_answer_of_the_cloud_acknowledges_nothing(
    cloud: CloudDouble, answer: tuple[int, bytes]
) -> None:
    cloud.fail_events = answer
    with pytest.raises(CloudUnreachableError, match=cloud.url):
        post(cloud)


def test_an_answer_for_another_event_acknowledges_nothing(cloud: CloudDouble) -> None:
    with (
        Client(cloud.url, key=SecretStr(KEY)) as client,
        pytest.raises(CloudUnreachableError, match="answered for event"),
    ):
        client.post_event(uuid7(), event().model_dump_json())


def test_the_pause_that_the_cloud_asks_for_is_passed_on(cloud: CloudDouble) -> None:
    cloud.fail_events = problem(503, ProblemCode.STORE_UNAVAILABLE)
    cloud.headers["Retry-After"] = "7"
    with pytest.raises(CloudUnreachableError) as caught:
        post(cloud)
    assert caught.value.retry_after_s == 7


def test_a_wrong_key_is_refused_and_not_shown(cloud: CloudDouble) -> None:
    with pytest.raises(KeyRefusedError) as caught:
        post(cloud, key="another-secret")
    assert "another-secret" not in str(caught.value)
    assert "python -m edge enrol" in caught.value.mend


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://no-such-host.invalid"])
def test_a_cloud_that_is_not_there_is_named(url: str) -> None:
    with Client(url) as client, pytest.raises(CloudUnreachableError, match=url):
        client.health()


def test_no_error_of_httpx_comes_through() -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise next(failures)

    kinds = [
        httpx.ConnectTimeout,
        httpx.ReadTimeout,
        httpx.PoolTimeout,
        httpx.ConnectError,
        httpx.ReadError,
        httpx.RemoteProtocolError,
        httpx.ProxyError,
        httpx.UnsupportedProtocol,
        httpx.DecodingError,
        httpx.TooManyRedirects,
    ]
    failures = iter([*(kind("told to") for kind in kinds), httpx.InvalidURL("told to")])
    with Client("http://a.example", transport=httpx.MockTransport(fail)) as client:
        for _ in range(len(kinds) + 1):
            with pytest.raises(CloudUnreachableError):
                client.health()


def test_a_code_is_exchanged_for_a_key(cloud: CloudDouble) -> None:
    with Client(cloud.url) as client:
        enrolment = client.enrol(EnrolmentRequest(code=CODE, name="door"))
        assert (enrolment.device_key, enrolment.gate) == (KEY, "main")
        with pytest.raises(EnrolmentRefusedError, match="enrolment_code_invalid"):
            client.enrol(EnrolmentRequest(code="used", name="door"))


def test_health_tells_alive_from_ready(cloud: CloudDouble) -> None:
    with Client(cloud.url) as client:
        health = client.health()
        assert health.ready
        assert health.clock is not None
        cloud.ready = False
        health = client.health()
        assert not health.ready
        assert "store_unavailable" in health.detail


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("http://cloud.example", True),
        ("https://cloud.example", False),
        ("http://127.0.0.1:8000", False),
        ("http://localhost", False),
    ],
)
def test_an_unencrypted_address_elsewhere_is_noticed(url: str, plain: bool) -> None:
    assert is_plain_http_elsewhere(url) is plain


def test_a_request_of_a_closed_client_is_an_error_that_its_callers_know() -> None:
    with Client("http://cloud.example", key=SecretStr("key")) as client:
        pass
    with pytest.raises(CloudUnreachableError, match=r"client of http://cloud\.example is closed"):
        client.settings()


ENDLESS = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999999999\r\n\r\n"


def test_an_answer_that_comes_byte_by_byte_is_given_up() -> None:
    each = event()
    with (
        hanging(headers=ENDLESS, piece=b" ") as slow,
        Client(slow.url, key=SecretStr(KEY), timeout_s=0.3) as client,
        pytest.raises(CloudUnreachableError, match="no whole answer"),
    ):
        client.post_event(each.id, each.model_dump_json())


def test_an_answer_without_end_is_given_up() -> None:
    each = event()
    with (
        hanging(headers=ENDLESS, piece=bytes(65_536), every_s=0) as endless,
        Client(endless.url, key=SecretStr(KEY), timeout_s=60) as client,
        pytest.raises(CloudUnreachableError, match="more than 1 MiB"),
    ):
        client.post_event(each.id, each.model_dump_json())
