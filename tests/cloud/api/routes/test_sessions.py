"""Signing in and out, over a real socket: what a browser gets, and what it may do with it."""

from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest

from cloud.contract import Event, Role, Session
from cloud.errors import SessionInvalid
from cloud.settings import Settings
from cloud.store import Store, StoredAccount, keyspace, now
from cloud.store.access.accounts import Sessions
from tests.cloud.api.routes.test_events import code_of
from tests.cloud.conftest import GATE, OTHER_GATE, PASSWORD, Login, SignIn, posted, serving

MakeAccount = Callable[..., StoredAccount]


def opened(client: httpx.Client, name: str, password: str = PASSWORD) -> httpx.Response:
    return client.post("/v1/sessions", json={"name": name, "password": password})


def test_a_person_signs_in_works_and_logs_out(login: Login, make_account: MakeAccount) -> None:
    account = make_account("Ana Ibáñez")
    browser = login(None)
    answer = opened(browser, "Ana Ibáñez")
    assert answer.status_code == 201
    session = Session.model_validate_json(answer.content)
    assert session.account.id == account.id
    assert "argon2" not in answer.text
    assert browser.get("/v1/gates").status_code == 200
    assert browser.get("/v1/sessions/me").json()["csrf_token"] == session.csrf_token

    browser.headers["X-CSRF-Token"] = session.csrf_token
    secret = browser.cookies["mg_session"]
    assert browser.post("/v1/gates", json={"id": "new", "name": "New"}).status_code == 201
    gone = browser.delete("/v1/sessions/me")
    assert gone.status_code == 204
    assert "mg_session" not in browser.cookies
    browser.cookies.set("mg_session", secret)
    assert code_of(browser.get("/v1/gates")) == "session_invalid"


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(
    login: Login, make_account: MakeAccount
) -> None:
    make_account("Ana")
    said = opened(login(None), "Ana").headers["set-cookie"].lower()
    for word in ("httponly", "samesite=strict", "path=/", "max-age=43200"):
        assert word in said
    assert "secure" not in said
    assert "domain" not in said


def test_over_https_the_cookie_is_secure_and_of_this_host_alone(
    settings: Settings, store: Store, make_account: MakeAccount
) -> None:
    make_account("Ana")
    public = settings.model_copy(update={"public_url": "https://gate.example.org"})
    with serving(public) as url, httpx.Client(base_url=url, timeout=20) as browser:
        answer = opened(browser, "Ana")
        said = answer.headers["set-cookie"]
        assert said.startswith("__Host-mg_session=")
        assert "; secure" in said.lower()
        assert "max-age=31536000" in answer.headers["strict-transport-security"]
        secret = said.partition("=")[2].partition(";")[0]
        ways = {"__Host-mg_session": 200, "mg_session": 401}
        for name, status in ways.items():
            cookie = {"Cookie": f"{name}={secret}"}
            assert browser.get("/v1/gates", headers=cookie).status_code == status


@pytest.mark.parametrize(
    ("name", "password"),
    [("Ana", "wrong"), ("Nobody", PASSWORD), ("Ana ", PASSWORD.upper()), ("🎭", "🎭")],
)
def test_a_wrong_name_and_a_wrong_password_get_the_same_answer(
    login: Login, make_account: MakeAccount, name: str, password: str
) -> None:
    make_account("Ana")
    answer = opened(login(None), name, password)
    assert answer.status_code == 401
    assert code_of(answer) == "credentials_invalid"
    assert answer.json()["detail"] == "this name and this password do not go together"
    assert "set-cookie" not in answer.headers


def test_case_and_composition_make_no_other_name(login: Login, make_account: MakeAccount) -> None:
    make_account("Zoë")
    assert opened(login(None), "ZOË").status_code == 201
    assert opened(login(None), "zoe\u0308").status_code == 201
    assert opened(login(None), "zoe").status_code == 401


def test_a_planted_session_is_never_taken_over(login: Login, make_account: MakeAccount) -> None:
    make_account("Ana")
    make_account("Mallory", Role.VIEWER)
    mallory, ana = login(None), login(None)
    opened(mallory, "Mallory")
    planted = mallory.cookies["mg_session"]
    ana.cookies.set("mg_session", planted)
    said = opened(ana, "Ana").headers["set-cookie"]
    assert planted not in said
    assert mallory.get("/v1/sessions/me").status_code == 401

    invented = login(None)
    invented.cookies.set("mg_session", "A" * 43)
    assert "A" * 43 not in opened(invented, "Ana").headers["set-cookie"]


def test_a_cookie_is_worth_its_own_account_and_no_other(
    sign_in: SignIn, make_account: MakeAccount, store: Store
) -> None:
    viewer, operator = sign_in(Role.VIEWER), sign_in(Role.OPERATOR)
    # The other's csrf_token does not open what one's own session may not.
    viewer.headers["X-CSRF-Token"] = operator.headers["X-CSRF-Token"]
    answer = viewer.post("/v1/gates", json={"id": "new", "name": "New"})
    assert code_of(answer) == "csrf_token_invalid"
    assert viewer.get("/v1/sessions/me").json()["account"]["role"] == "viewer"


def test_a_change_needs_the_token_of_the_sessions_page(sign_in: SignIn) -> None:
    browser = sign_in(Role.OPERATOR)
    for token in ("", "0" * 64, "é"):
        browser.headers.update([(b"X-CSRF-Token", token.encode())])
        answer = browser.post("/v1/gates", json={"id": "new", "name": "New"})
        assert answer.status_code == 403
        assert code_of(answer) == "csrf_token_invalid"
    assert browser.get("/v1/gates").status_code == 200


def test_a_broken_key_is_not_saved_by_a_cookie(sign_in: SignIn) -> None:
    browser = sign_in(Role.ADMIN)
    for header in ("Bearer mg_0123456789ab_x", "Basic dXNlcjpwYXNz"):
        answer = browser.get("/v1/gates", headers={"Authorization": header})
        assert answer.status_code == 401, header


@pytest.mark.parametrize("cookie", ["x", "ñ", "a" * 3000, "%00", '"'])
def test_no_cookie_breaks_the_api(login: Login, cookie: str) -> None:
    headers = {b"Cookie": f"mg_session={cookie}".encode()}
    answer = login(None).get("/v1/gates", headers=headers)
    assert answer.status_code == 401


def test_logging_out_everywhere_ends_every_session_of_the_account_alone(sign_in: SignIn) -> None:
    phone, desk, other = sign_in(Role.VIEWER), sign_in(Role.VIEWER), sign_in(Role.OPERATOR)
    assert phone.delete("/v1/sessions").status_code == 204
    assert desk.get("/v1/gates").status_code == 401
    assert other.get("/v1/gates").status_code == 200


def test_tries_at_a_name_are_counted_and_then_refused(
    login: Login, make_account: MakeAccount
) -> None:
    make_account("Ana")
    browser = login(None)
    for _ in range(10):
        assert opened(browser, "ana", "wrong").status_code == 401
    refused = opened(browser, "ANA", PASSWORD)
    assert refused.status_code == 429
    assert code_of(refused) == "rate_limited"
    assert 1 <= int(refused.headers["retry-after"]) <= 900


def test_signing_in_begins_the_count_anew(login: Login, make_account: MakeAccount) -> None:
    make_account("Ana")
    browser = login(None)
    for _ in range(2):
        for _ in range(6):
            assert opened(browser, "Ana", "wrong").status_code == 401
        assert opened(browser, "Ana").status_code == 201


def test_tries_from_an_address_are_counted_whatever_the_names(login: Login) -> None:
    browser = login(None)
    answers = [opened(browser, f"name {n}", "wrong").status_code for n in range(31)]
    assert answers == [401] * 30 + [429]


def test_ones_own_password_is_changed_with_the_one_before(
    login: Login, make_account: MakeAccount
) -> None:
    make_account("Ana")
    browser = login(None)
    browser.headers["X-CSRF-Token"] = opened(browser, "Ana").json()["csrf_token"]
    new = "nine loud herons at dawn"

    def change(**body: str) -> httpx.Response:
        return browser.put("/v1/sessions/me/password", json=body)

    assert code_of(change(password=new)) == "malformed_request"
    assert code_of(change(password=new, current="wrong")) == "credentials_invalid"
    assert code_of(change(password="password1234", current=PASSWORD)) == "password_weak"
    assert change(password=new, current=PASSWORD).status_code == 204
    assert browser.get("/v1/gates").status_code == 401
    assert opened(browser, "Ana").status_code == 401
    assert opened(browser, "Ana", new).status_code == 201


def test_a_key_has_no_session(operator: httpx.Client) -> None:
    assert code_of(operator.get("/v1/sessions/me")) == "session_unknown"


def test_an_account_of_one_gate_reaches_no_other(sign_in: SignIn) -> None:
    browser = sign_in(Role.OPERATOR, GATE)
    assert browser.get(f"/v1/events?gate={GATE}").status_code == 200
    assert code_of(browser.get(f"/v1/events?gate={OTHER_GATE}")) == "gate_forbidden"


def test_acts_of_an_account_are_in_the_trail_under_its_name(
    sign_in: SignIn, login: Login, make_account: MakeAccount
) -> None:
    make_account("Ana Ibáñez")
    browser = login(None)
    browser.headers["X-CSRF-Token"] = opened(browser, "Ana Ibáñez").json()["csrf_token"]
    browser.post("/v1/gates", json={"id": "new", "name": "New"})
    items = login(Role.ADMIN).get("/v1/audit").json()["items"]
    told = [(each["act"], each["actor"]) for each in items]
    assert told == [
        ("gate.created", "account:Ana Ibáñez"),
        ("session.opened", "account:Ana Ibáñez"),
    ]


@pytest.fixture
def short(store: Store) -> Sessions:
    return Sessions(store.client, store.accounts, timedelta(minutes=30), timedelta(hours=12))


def test_a_session_ends_by_idleness_and_by_age(short: Sessions, make_account: MakeAccount) -> None:
    account, began = make_account("Ana"), now()
    secret, _ = short.begin(account, began)
    seen = began
    for _ in range(24):
        seen += timedelta(minutes=29)
        if seen - began < timedelta(hours=12):
            assert short.authenticate(secret, seen).account.id == account.id
    with pytest.raises(SessionInvalid):
        short.authenticate(secret, began + timedelta(hours=12))

    idle, _ = short.begin(account, began)
    with pytest.raises(SessionInvalid):
        short.authenticate(idle, began + timedelta(minutes=30))


def test_what_is_kept_of_a_session_opens_nothing(
    short: Sessions, store: Store, make_account: MakeAccount, login: Login
) -> None:
    secret, session = short.begin(make_account("Ana"), now())
    kept = b"".join(
        key + (store.client.get(key) or b"")
        for key in store.client.scan_iter(keyspace.session("*"))
    )
    assert secret.encode() not in kept
    thief = login(None)
    thief.cookies.set("mg_session", session.secret_sha256)
    assert thief.get("/v1/gates").status_code == 401


def test_a_guard_redeems_by_hand_with_a_session(
    sign_in: SignIn, device: httpx.Client, make_event: Callable[..., Event]
) -> None:
    token = device.post("/v1/events", json=posted(make_event())).json()["pass"]["token"]
    guard = sign_in(Role.SCANNER, GATE)
    attempt = {"token": token, "nonce": "n" * 8}
    assert guard.post("/v1/passes/redeem", json=attempt).json()["outcome"] == "admitted"
    assert guard.post("/v1/passes/redeem", json=attempt).json()["outcome"] == "admitted"
    other = {**attempt, "nonce": "m" * 8}
    assert guard.post("/v1/passes/redeem", json=other).json()["outcome"] == "already_redeemed"
    assert code_of(guard.post("/v1/passes/redeem", json={})) == "malformed_request"
    del guard.headers["X-CSRF-Token"]
    refused = guard.post("/v1/passes/redeem", json=attempt)
    assert code_of(refused) == "csrf_token_invalid"
    viewer = sign_in(Role.VIEWER).post("/v1/passes/redeem", json=attempt)
    assert code_of(viewer) == "role_forbidden"
