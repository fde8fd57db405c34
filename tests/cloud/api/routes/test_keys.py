from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest

from cloud.contract import CallerKind, IssuedKey, Key, KeyChange, KeyStatus, OwnKey, Role
from cloud.errors import KeyExpired, KeyInvalid
from cloud.store import Store, StoredKey, amended, mint, now
from cloud.store.access.keys import verified
from tests.cloud.api.routes.test_events import code_of
from tests.cloud.conftest import GATE, OTHER_GATE, Login, SignIn


@pytest.fixture
def admin(login: Login) -> httpx.Client:
    return login(Role.ADMIN)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.DEVICE])
def test_a_key_is_made_used_listed_without_its_secret_and_revoked(
    admin: httpx.Client, login: Login, role: Role
) -> None:
    answer = admin.post("/v1/keys", json={"name": "new", "role": role.value, "gate": GATE})
    assert answer.status_code == 201
    issued = IssuedKey.model_validate_json(answer.content)
    assert "secret_sha256" not in answer.text
    client = login(None)
    client.headers["Authorization"] = f"Bearer {issued.key}"
    assert client.get("/v1/events").status_code in {200, 403}
    listed = admin.get("/v1/keys")
    assert issued.key not in listed.text
    assert "secret" not in listed.text
    assert [key["gate"] for key in listed.json() if key["id"] == issued.id] == [GATE]
    assert admin.delete(f"/v1/keys/{issued.id}").status_code == 204
    assert code_of(client.get("/v1/events")) == "key_revoked"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"name": "x", "role": "device"}, "malformed_request"),
        ({"name": "x", "role": "king"}, "malformed_request"),
        ({"name": "", "role": "viewer"}, "malformed_request"),
        ({"name": "x", "role": "viewer", "gate": "nowhere"}, "gate_unknown"),
        ({"name": "x", "role": "viewer", "gate": "No Where"}, "malformed_request"),
    ],
)
def test_a_key_that_cannot_be_is_not_made(
    admin: httpx.Client, body: dict[str, str], code: str
) -> None:
    assert code_of(admin.post("/v1/keys", json=body)) == code
    assert len(admin.get("/v1/keys").json()) == 1


def test_a_key_that_is_not_there_is_said_to_be_unknown(admin: httpx.Client) -> None:
    assert code_of(admin.delete("/v1/keys/nothing")) == "key_unknown"


def test_an_admin_of_one_gate_sees_and_revokes_the_keys_of_that_gate(
    admin: httpx.Client, login: Login
) -> None:
    other = login(Role.ADMIN, OTHER_GATE)
    assert [key["gate"] for key in other.get("/v1/keys").json()] == [OTHER_GATE]
    (own,) = [key for key in admin.get("/v1/keys").json() if key["gate"] is None]
    assert code_of(other.delete(f"/v1/keys/{own['id']}")) == "gate_forbidden"


def bearer(login: Login, text: str) -> httpx.Client:
    client = login(None)
    client.headers["Authorization"] = f"Bearer {text}"
    return client


def made(admin: httpx.Client, **fields: Any) -> IssuedKey:
    answer = admin.post("/v1/keys", json={"name": "new", "role": "viewer", **fields})
    assert answer.status_code == 201, answer.text
    return IssuedKey.model_validate_json(answer.content)


def listed(admin: httpx.Client, key_id: str) -> Key:
    (found,) = [key for key in admin.get("/v1/keys").json() if key["id"] == key_id]
    return Key.model_validate(found)


def acts(store: Store) -> list[tuple[str, str]]:
    """What the trail tells, the oldest first."""
    return [(entry.act, entry.detail) for entry in reversed(store.audit.page()[0])]


@pytest.mark.parametrize("role", list(Role))
def test_a_key_of_any_role_may_ask_what_it_may_do(login: Login, role: Role) -> None:
    client = login(role, GATE)
    answer = client.get("/v1/keys/me")
    assert answer.status_code == 200
    own = OwnKey.model_validate_json(answer.content)
    assert (own.kind, own.role, own.gate, own.expires_at) == (CallerKind.KEY, role, GATE, None)
    assert (own.device_id is not None) == (role is Role.DEVICE)
    assert own.id == client.headers["Authorization"].split("_")[1]
    assert ("post_event" in own.operations) == (role is Role.DEVICE)
    assert ("redeem_pass" in own.operations) == (role in {Role.SCANNER, Role.OPERATOR, Role.ADMIN})
    assert ("create_key" in own.operations) == (role is Role.ADMIN)
    assert own.operations == sorted(own.operations)
    described = {
        operation["operationId"]
        for ways in client.get("/openapi.json").json()["paths"].values()
        for operation in ways.values()
    }
    assert set(own.operations) <= described


def test_what_a_key_is_told_leaves_out_what_it_would_be_refused(
    login: Login, sign_in: SignIn
) -> None:
    bound = login(Role.OPERATOR, GATE).get("/v1/keys/me").json()["operations"]
    free = login(Role.OPERATOR).get("/v1/keys/me").json()["operations"]
    assert set(free) - set(bound) == {"create_gate", "add_model", "delete_model"}
    assert "end_session" not in free
    own = sign_in(Role.OPERATOR).get("/v1/keys/me").json()
    assert own["kind"] == "session"
    assert own["expires_at"] is not None
    assert set(own["operations"]) - set(free) == {
        "get_session",
        "end_session",
        "end_all_sessions",
        "change_own_password",
    }


def test_a_key_expires_in_every_way_of_calling_and_stays_listed(
    admin: httpx.Client, login: Login, store: Store
) -> None:
    later = now() + timedelta(hours=1)
    issued = made(admin, role="scanner", gate=GATE, expires_at=later.isoformat())
    assert issued.expires_at == later
    scanner = bearer(login, issued.key)
    attempt = {"token": "7Kq2mXw9RtB4z", "nonce": "b1946ac92492d234"}
    # The process that answers remembers the key from here on.
    assert scanner.post("/v1/passes/redeem", json=attempt).json()["outcome"] == "unknown"
    assert (
        scanner.get("/v1/keys/me").json()["expires_at"]
        == issued.model_dump(mode="json")["expires_at"]
    )
    assert listed(admin, issued.id).status is KeyStatus.ACTIVE
    store.keys.change(issued.id, lambda key: key.model_copy(update={"expires_at": now()}))
    for answer in (
        scanner.post("/v1/passes/redeem", json=attempt),
        scanner.get("/v1/keys/me"),
    ):
        assert answer.status_code == 401
        assert code_of(answer) == "key_expired"
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert listed(admin, issued.id).status is KeyStatus.EXPIRED


def test_a_key_that_a_process_remembers_ends_with_its_time(store: Store) -> None:
    at = now()
    minted = mint("reader", Role.SCANNER, GATE, expires_at=at + timedelta(seconds=30))
    secret = minted.text.split("_", 2)[2]
    assert verified(minted.stored, secret) is minted.stored
    ended = minted.stored.model_copy(update={"expires_at": at})
    with pytest.raises(KeyExpired):
        verified(ended, secret)
    with pytest.raises(KeyInvalid):
        verified(ended, "another")


def test_a_lifetime_is_counted_from_the_making(admin: httpx.Client) -> None:
    before = now()
    issued = made(admin, lifetime_s=3600)
    assert issued.expires_at is not None
    assert before <= issued.expires_at - timedelta(hours=1) <= now()
    assert "lifetime_s" not in issued.model_dump()


@pytest.mark.parametrize(
    "fields",
    [
        {"lifetime_s": 0},
        {"lifetime_s": 315_360_001},
        {"lifetime_s": 60, "expires_at": "2999-01-01T00:00:00Z"},
        {"expires_at": "2020-01-01T00:00:00Z"},
        {"expires_at": "2999-01-01T00:00:00"},
    ],
)
def test_an_expiry_that_cannot_be_is_refused(
    admin: httpx.Client, fields: dict[str, object]
) -> None:
    issued = made(admin)
    new = {"name": "x", "role": "viewer", **fields}
    assert code_of(admin.post("/v1/keys", json=new)) == "malformed_request"
    assert code_of(admin.patch(f"/v1/keys/{issued.id}", json=fields)) == "malformed_request"
    assert listed(admin, issued.id).expires_at is None


def test_an_expiry_is_set_prolonged_and_taken_away(admin: httpx.Client, store: Store) -> None:
    issued = made(admin)
    path = f"/v1/keys/{issued.id}"
    assert admin.patch(path, json={"lifetime_s": 60}).json()["expires_at"] is not None
    later = "2999-01-01T00:00:00Z"
    assert admin.patch(path, json={"expires_at": later}).json()["expires_at"] == later
    assert admin.patch(path, json={"expires_at": None}).json()["expires_at"] is None
    assert [act for act, _ in acts(store)] == ["key.created", *["key.changed"] * 3]
    assert acts(store)[-1] == ("key.changed", f'expires_at: "{later}" → null')


@pytest.mark.parametrize("over", ["revoked", "expired"])
def test_a_key_that_is_over_does_not_come_back(
    admin: httpx.Client, login: Login, store: Store, over: str
) -> None:
    issued = made(admin)
    changes = {"revoked": True} if over == "revoked" else {"expires_at": now()}
    store.keys.change(issued.id, lambda key: key.model_copy(update=changes))
    for change in ({"expires_at": None}, {"lifetime_s": 60}):
        answer = admin.patch(f"/v1/keys/{issued.id}", json=change)
        assert (answer.status_code, code_of(answer)) == (409, "key_over")
    assert admin.patch(f"/v1/keys/{issued.id}", json={"name": "lost"}).json()["status"] == over
    assert code_of(bearer(login, issued.key).get("/v1/keys/me")) == f"key_{over}"


def test_a_key_is_renamed_and_the_trail_has_both_names(
    admin: httpx.Client, login: Login, store: Store
) -> None:
    issued = made(admin, name="Front desk")
    path = f"/v1/keys/{issued.id}"
    assert admin.patch(path, json={"name": "  Back desk "}).json()["name"] == "Back desk"
    assert bearer(login, issued.key).get("/v1/keys/me").json()["name"] == "Back desk"
    assert acts(store)[-1] == ("key.changed", 'name: "Front desk" → "Back desk"')
    told = len(acts(store))
    for nothing in ({}, {"name": None}, {"name": "Back desk"}, {"colour": "red"}):
        answer = admin.patch(path, json=nothing)
        assert (answer.status_code, answer.json()["name"]) == (200, "Back desk")
    assert len(acts(store)) == told
    for bad in ({"name": ""}, {"name": "x" * 81}, {"name": "a\nb"}):
        assert code_of(admin.patch(path, json=bad)) == "malformed_request"


def test_a_key_of_another_gate_or_of_none_is_not_changed(admin: httpx.Client, login: Login) -> None:
    issued = made(admin, gate=GATE)
    other = login(Role.ADMIN, OTHER_GATE)
    assert code_of(other.patch(f"/v1/keys/{issued.id}", json={"name": "x"})) == "gate_forbidden"
    assert code_of(admin.patch("/v1/keys/nothing", json={"name": "x"})) == "key_unknown"


def test_a_key_revoked_twice_is_told_of_once(admin: httpx.Client, store: Store) -> None:
    issued = made(admin)
    for _ in range(2):
        assert admin.delete(f"/v1/keys/{issued.id}").status_code == 204
    assert [act for act, _ in acts(store)] == ["key.created", "key.revoked"]


def by(change: KeyChange) -> Callable[[StoredKey], StoredKey]:
    return lambda key: amended(key, change, now())


def test_revoking_and_renaming_at_once_leaves_a_key_revoked(store: Store) -> None:
    """However the two fall together: neither writes over the other."""
    for number in range(20):
        minted = mint("desk", Role.VIEWER, None)
        store.keys.add(minted.stored)
        with ThreadPoolExecutor(2) as pool:
            change = KeyChange(name=f"desk {number}")
            renaming = pool.submit(store.keys.change, minted.stored.id, by(change))
            pool.submit(store.keys.revoke, minted.stored.id).result()
            renaming.result()
        held = store.keys.get(minted.stored.id)
        assert held is not None
        assert (held.revoked, held.name) == (True, f"desk {number}")
