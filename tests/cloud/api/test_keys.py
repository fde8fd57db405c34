import httpx
import pytest

from cloud.contract import IssuedKey, Role
from tests.cloud.api.test_events import code_of
from tests.cloud.conftest import GATE, OTHER_GATE, Login


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
