import httpx
import pytest

from cloud.contract import Role
from cloud.store import Store
from tests.cloud.api.routes.test_events import code_of
from tests.cloud.conftest import GATE, OTHER_GATE, PASSWORD, Login, SignIn


@pytest.fixture
def admin(login: Login) -> httpx.Client:
    return login(Role.ADMIN)


def test_an_account_is_made_with_a_password_shown_once(
    admin: httpx.Client, login: Login, store: Store
) -> None:
    made = admin.post("/v1/accounts", json={"name": " Ana ", "role": "operator", "gate": GATE})
    assert made.status_code == 201
    issued = made.json()
    assert issued["name"] == "Ana"
    signed_in = login(None).post(
        "/v1/sessions", json={"name": "ana", "password": issued["password"]}
    )
    assert signed_in.status_code == 201
    listed = admin.get("/v1/accounts")
    assert [account["name"] for account in listed.json()] == ["Ana"]
    assert "password" not in listed.text
    kept = store.accounts.named("Ana")
    assert kept is not None
    assert kept.password_hash.startswith("$argon2id$")
    assert issued["password"] not in kept.model_dump_json()


def test_a_password_that_was_given_is_not_shown(admin: httpx.Client) -> None:
    body = {"name": "Ana", "role": "viewer", "password": PASSWORD}
    made = admin.post("/v1/accounts", json=body)
    assert made.status_code == 201
    assert made.json()["password"] is None
    assert PASSWORD not in made.text


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"role": "device"}, "malformed_request"),
        ({"role": "king"}, "malformed_request"),
        ({"name": ""}, "malformed_request"),
        ({"name": "\u200b"}, "malformed_request"),
        ({"name": "a\x00b"}, "malformed_request"),
        ({"name": "a\r\nb"}, "malformed_request"),
        ({"name": "x" * 81}, "malformed_request"),
        ({"gate": "nowhere"}, "gate_unknown"),
        ({"password": "short"}, "password_weak"),
        ({"password": "x" * 73}, "password_weak"),
        ({"password": "password1234"}, "password_weak"),
        ({"password": "ana maskgate"}, "password_weak"),
        ({"password": "é" * 2000}, "malformed_request"),
    ],
)
def test_an_account_that_cannot_be_is_not_made(
    admin: httpx.Client, change: dict[str, str], code: str
) -> None:
    answer = admin.post("/v1/accounts", json={"name": "Ana", "role": "viewer", **change})
    assert code_of(answer) == code
    assert change.get("password", "?!") not in answer.text
    assert admin.get("/v1/accounts").json() == []


@pytest.mark.parametrize("name", ["Ana", "ANA", "Ａｎａ", "ana "])
def test_two_names_that_look_alike_are_one(admin: httpx.Client, name: str) -> None:
    assert admin.post("/v1/accounts", json={"name": "Ana", "role": "viewer"}).status_code == 201
    again = admin.post("/v1/accounts", json={"name": name, "role": "admin"})
    assert again.status_code == 409
    assert code_of(again) == "account_exists"
    assert [each["role"] for each in admin.get("/v1/accounts").json()] == ["viewer"]


def test_an_account_that_is_removed_is_out_at_once_and_its_name_free(
    admin: httpx.Client, sign_in: SignIn
) -> None:
    browser = sign_in(Role.OPERATOR)
    (account,) = admin.get("/v1/accounts").json()
    assert admin.delete(f"/v1/accounts/{account['id']}").status_code == 204
    assert browser.get("/v1/gates").status_code == 401
    assert code_of(admin.delete(f"/v1/accounts/{account['id']}")) == "account_unknown"
    again = admin.post("/v1/accounts", json={"name": account["name"], "role": "viewer"})
    assert again.status_code == 201


def test_a_new_password_ends_the_sessions_of_the_old(admin: httpx.Client, sign_in: SignIn) -> None:
    browser = sign_in(Role.OPERATOR)
    (account,) = admin.get("/v1/accounts").json()
    path = f"/v1/accounts/{account['id']}/password"
    assert code_of(admin.put(path, json={"password": "short"})) == "password_weak"
    assert admin.put(path, json={"password": "nine loud herons at dawn"}).status_code == 204
    assert browser.get("/v1/gates").status_code == 401


def test_an_admin_of_one_gate_has_the_accounts_of_that_gate(
    admin: httpx.Client, login: Login
) -> None:
    admin.post("/v1/accounts", json={"name": "All", "role": "viewer"})
    (everywhere,) = admin.get("/v1/accounts").json()
    bound = login(Role.ADMIN, GATE)
    assert bound.get("/v1/accounts").json() == []
    for gate in (None, OTHER_GATE):
        answer = bound.post("/v1/accounts", json={"name": "x", "role": "viewer", "gate": gate})
        assert code_of(answer) == "gate_forbidden"
    assert bound.post("/v1/accounts", json={"name": "x", "role": "viewer", "gate": GATE}).is_success
    path = f"/v1/accounts/{everywhere['id']}"
    assert code_of(bound.delete(path)) == "gate_forbidden"
    answer = bound.put(f"{path}/password", json={"password": PASSWORD})
    assert code_of(answer) == "gate_forbidden"
