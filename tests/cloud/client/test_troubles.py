"""The client where the API is not well, or something else answers."""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from cloud.client import (
    ApiTimedOut,
    ApiUnreachable,
    ApiUnreadable,
    Client,
    Conflict,
    NotFound,
    Page,
    Refused,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    Unread,
)
from cloud.client.connection import LONGEST_PAUSE_S
from cloud.contract import (
    Gate,
    GateChange,
)
from tests.doubles.redis_server import free_port

SECRET = "mg_key_that-nobody-may-read"


def answering(answer: Callable[[httpx.Request], httpx.Response], read_retries: int = 0) -> Client:
    return Client(
        "http://cloud", SECRET, transport=httpx.MockTransport(answer), read_retries=read_retries
    )


def problem(status: int, code: str, **headers: str) -> httpx.Response:
    body = {"title": "No", "status": status, "code": code}
    return httpx.Response(status, json=body, headers=headers)


def test_nobody_there() -> None:
    address = f"http://127.0.0.1:{free_port()}"
    with Client(address, SECRET) as client, pytest.raises(ApiUnreachable, match=address):
        client.list_gates()


def test_an_answer_that_takes_too_long() -> None:
    def slow(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("too slow", request=request)

    with answering(slow) as client, pytest.raises(ApiTimedOut, match="within 10 s"):
        client.list_gates()


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>Welcome to this router</html>"),
        httpx.Response(502, text="<html>Bad gateway</html>"),
        httpx.Response(307, headers={"Location": "https://elsewhere.example"}),
        httpx.Response(200, json={"items": "none"}),
    ],
)
def test_something_else_that_answers(answer: httpx.Response) -> None:
    with answering(lambda _: answer) as client, pytest.raises(ApiUnreadable):
        client.list_gates()


def test_a_code_of_a_newer_cloud_is_still_a_refusal() -> None:
    with (
        answering(lambda _: problem(409, "gate_is_painted")) as client,
        pytest.raises(Conflict) as caught,
    ):
        client.list_gates()
    assert caught.value.code == "gate_is_painted"


def test_one_item_of_a_newer_cloud_hides_no_other_and_is_not_passed_over() -> None:
    good = Gate(id="main", name="Main", created_at=datetime(2026, 1, 5, tzinfo=UTC))
    sent = [good.model_dump(mode="json"), {"id": "new", "created_at": "soon"}]
    with answering(lambda _: httpx.Response(200, json=sent)) as client:
        page = client.list_gates()
    assert len(page) == 2
    assert page.rows[0] == good
    assert isinstance(page.rows[1], Unread)
    assert page.rows[1].why == "name is missing, created_at 'soon'"
    with pytest.raises(ApiUnreadable, match="name is missing"):
        list(page)
    assert list(Page([good])) == [good]


def test_reads_are_tried_again_where_that_was_asked_for() -> None:
    asked: list[float] = []

    def moody(request: httpx.Request) -> httpx.Response:
        asked.append(time.monotonic())
        if len(asked) == 1:
            raise httpx.ConnectError("refused", request=request)
        if len(asked) == 2:
            return problem(503, "store_unavailable", **{"Retry-After": "1"})
        return httpx.Response(200, json=[])

    with answering(moody, read_retries=2) as client:
        assert client.list_gates().rows == []
    assert len(asked) == 3
    assert asked[2] - asked[1] >= 1.0


@pytest.mark.parametrize(
    ("call", "answer", "kind"),
    [
        (
            lambda api: api.change_gate("main", GateChange(closed=True)),
            problem(503, "store_unavailable"),
            Unavailable,
        ),
        (lambda api: api.list_gates(), problem(404, "not_found"), NotFound),
        (
            lambda api: api.list_gates(),
            problem(429, "rate_limited", **{"Retry-After": str(int(LONGEST_PAUSE_S) + 1)}),
            TooManyRequests,
        ),
    ],
)
def test_what_is_no_read_or_would_not_help_is_tried_once(
    call: Callable[[Client], object], answer: httpx.Response, kind: type[Refused]
) -> None:
    asked: list[httpx.Request] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return answer

    with answering(refuse, read_retries=5) as client, pytest.raises(kind):
        call(client)
    assert len(asked) == 1


@pytest.mark.parametrize("ahead", [timedelta(hours=-5), timedelta(0), timedelta(hours=5)])
def test_now_is_by_the_apis_clock(ahead: timedelta) -> None:
    def stamped(_: httpx.Request) -> httpx.Response:
        date = format_datetime(datetime.now(UTC) + ahead, usegmt=True)
        return httpx.Response(200, json=[], headers={"Date": date})

    with answering(stamped) as client:
        client.list_gates()
        assert abs(client.now() - (datetime.now(UTC) + ahead)) < timedelta(minutes=1)
        assert abs(client.clock_offset - ahead) < timedelta(minutes=1)


def test_the_key_is_in_no_text_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with (
        answering(lambda _: problem(401, "key_invalid")) as client,
        pytest.raises(Unauthenticated) as caught,
    ):
        client.list_gates()
    for text in (repr(client), str(vars(client)), repr(caught.value), caplog.text):
        assert SECRET not in text


@pytest.mark.parametrize("key", ["", "two words", "schlüssel", "line\nbreak"])
def test_what_can_be_no_key_is_refused_without_being_repeated(key: str) -> None:
    with pytest.raises(ValueError, match="the key is empty, or holds") as caught:
        Client("http://cloud", key)
    assert not key or key not in str(caught.value)


@pytest.mark.parametrize("gate", ["", ".", ".."])
def test_a_name_that_would_lead_elsewhere_is_not_sent(gate: str) -> None:
    with (
        answering(lambda _: httpx.Response(204)) as client,
        pytest.raises(ValueError, match="name"),
    ):
        client.get_gate_settings(gate)


def test_a_name_is_quoted_in_the_address() -> None:
    paths: list[bytes] = []

    def note(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.raw_path)
        return httpx.Response(204)

    with answering(note) as client:
        client.delete_subscriber("main", "a/b?c")
    assert paths == [b"/v1/gates/main/subscribers/a%2Fb%3Fc"]


def test_an_address_that_is_none() -> None:
    with pytest.raises(ValueError, match="no address"):
        Client("http://cloud:port")
