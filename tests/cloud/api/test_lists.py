"""Lists that are arrays: whole, and in pages with a link to the next."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import Request, Response

from cloud.api.lists import WHOLE_AT_MOST, Pages, named
from cloud.contract import (
    Channel,
    EnrolmentRequest,
    Gate,
    Role,
    StaffRole,
    Subscriber,
)
from cloud.store import Store, StoredAccount, mint, subscriber_id
from tests.cloud.api.routes.test_events import code_of
from tests.cloud.conftest import GATE, OTHER_GATE, Login

EPOCH = datetime(2026, 3, 1, tzinfo=UTC)
Fill = Callable[[Store, int, datetime], str]


def a_gate(store: Store, number: int, at: datetime) -> str:
    store.gates.add(Gate(id=f"z-{number:02}", name="A gate", created_at=at))
    return f"z-{number:02}"


def a_device(store: Store, number: int, at: datetime) -> str:
    code = store.devices.new_code(GATE, timedelta(days=1), at)
    enrolled = store.devices.enrol(EnrolmentRequest(code=code.code, name="camera"), at)
    return enrolled.device_id


def a_key(store: Store, number: int, at: datetime) -> str:
    key = mint("desk", Role.VIEWER, GATE).stored.model_copy(update={"created_at": at})
    store.keys.add(key)
    return key.id


def an_account(store: Store, number: int, at: datetime) -> str:
    store.accounts.add(
        StoredAccount(
            id=f"a{number:012}",
            name=f"Ada {number}",
            role=Role.VIEWER,
            gate=GATE,
            created_at=at,
            password_hash="x",
        )
    )
    return f"a{number:012}"


def a_subscriber(store: Store, number: int, at: datetime) -> str:
    made = subscriber_id(Channel.TELEGRAM, str(number + 1))
    store.gates.subscribe(
        Subscriber(
            id=made,
            gate=GATE,
            channel=Channel.TELEGRAM,
            address=str(number + 1),
            created_at=at,
        )
    )
    return made


def a_member(store: Store, number: int, at: datetime) -> str:
    code = store.staff.new_code(GATE, StaffRole.GUARD, timedelta(days=1), at)
    chat = f"-{number + 1}"
    assert store.staff.pair(code.code, chat, "Ada", at) is not None
    return chat


LISTS: dict[str, Fill] = {
    "/v1/gates": a_gate,
    "/v1/devices": a_device,
    "/v1/keys": a_key,
    "/v1/accounts": an_account,
    f"/v1/gates/{GATE}/subscribers": a_subscriber,
    f"/v1/gates/{GATE}/staff": a_member,
}


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [each.get("id") or each["chat"] for each in answer.json()]


def pages(client: httpx.Client, path: str, **query: Any) -> list[list[str]]:
    """Follow the links to the end."""
    answer = client.get(path, params=query)
    read = [ids(answer)]
    while "next" in answer.links:
        url = answer.links["next"]["url"]
        assert url.startswith(f"{path}?")
        answer = client.get(url)
        read.append(ids(answer))
    return read


@pytest.fixture
def admin(login: Login) -> httpx.Client:
    return login(Role.ADMIN)


@pytest.mark.parametrize("path", LISTS)
def test_pages_make_up_the_whole_list(admin: httpx.Client, store: Store, path: str) -> None:
    made = [LISTS[path](store, number, EPOCH + timedelta(seconds=number)) for number in range(7)]
    whole = admin.get(path)
    assert "Link" not in whole.headers
    assert [each for each in ids(whole) if each in made] == made
    for limit in (1, 3, 7, 200):
        read = pages(admin, path, limit=limit)
        assert [each for page in read for each in page] == ids(whole)
        assert all(len(page) == limit for page in read[:-1])
        assert 0 < len(read[-1]) <= limit


@pytest.mark.parametrize("path", LISTS)
def test_items_made_at_one_moment_come_once_each(
    admin: httpx.Client, store: Store, path: str
) -> None:
    made = {LISTS[path](store, number, EPOCH) for number in range(5)}
    read = [each for page in pages(admin, path, limit=2) for each in page]
    assert len(read) == len(set(read))
    assert made <= set(read)


@pytest.mark.parametrize("path", LISTS)
def test_a_page_begins_after_the_id_of_an_item_too(
    admin: httpx.Client, store: Store, path: str
) -> None:
    for number in range(3):
        LISTS[path](store, number, EPOCH + timedelta(seconds=number))
    whole = ids(admin.get(path))
    assert ids(admin.get(path, params={"after": whole[1]})) == whole[2:]
    answer = admin.get(path, params={"after": "nothing"})
    assert (answer.status_code, code_of(answer)) == (422, "malformed_request")


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 201}, {"limit": "x"}, {"after": ""}])
def test_what_is_no_page_is_refused(
    admin: httpx.Client, path: str, query: dict[str, str | int]
) -> None:
    assert code_of(admin.get(path, params=query)) == "malformed_request"


def test_a_link_leads_on_where_its_item_was_removed_and_others_were_added(
    admin: httpx.Client, store: Store
) -> None:
    path = f"/v1/gates/{GATE}/subscribers"
    made = [a_subscriber(store, number, EPOCH + timedelta(seconds=number)) for number in range(6)]
    first = admin.get(path, params={"limit": 2})
    assert ids(first) == made[:2]
    store.gates.unsubscribe(GATE, made[0])
    store.gates.unsubscribe(GATE, made[1])
    a_subscriber(store, 90, EPOCH - timedelta(days=1))
    later = a_subscriber(store, 91, EPOCH + timedelta(days=1))
    second = admin.get(first.links["next"]["url"])
    assert ids(second) == made[2:4]
    assert ids(admin.get(second.links["next"]["url"])) == made[4:]
    assert later in ids(admin.get(path))


@pytest.mark.parametrize("path", ["/v1/devices", "/v1/keys", "/v1/accounts"])
def test_a_list_is_of_one_gate_where_that_is_asked(
    admin: httpx.Client, login: Login, store: Store, path: str
) -> None:
    made = [LISTS[path](store, number, EPOCH + timedelta(seconds=number)) for number in range(3)]
    assert [each for page in pages(admin, path, limit=2, gate=GATE) for each in page] == made
    assert ids(admin.get(path, params={"gate": OTHER_GATE})) == []
    bound = login(Role.ADMIN, OTHER_GATE)
    assert code_of(bound.get(path, params={"gate": GATE})) == "gate_forbidden"
    assert set(made).isdisjoint(ids(bound.get(path)))


def test_a_link_names_no_host(admin: httpx.Client, store: Store) -> None:
    answer = admin.get(
        "/v1/gates", params={"limit": 1}, headers={"Host": "evil.example", "X-Forwarded-Host": "x"}
    )
    assert answer.headers["Link"] == (
        '</v1/gates?limit=1&after=00000000000000000000-back>; rel="next"'
    )


def test_even_the_whole_list_has_an_end() -> None:
    request = Request(
        {"type": "http", "method": "GET", "path": "/v1/keys", "query_string": b"", "headers": []}
    )
    response = Response()
    items = [f"{number:06}" for number in range(WHOLE_AT_MOST + 1)]
    page = Pages(request, response, None, None).of(items, named, str)
    assert page == items[:-1]
    assert f"after={named(items[-2])}" in response.headers["Link"]
