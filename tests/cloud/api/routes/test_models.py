"""Model packages over a real socket: kept, asked for, downloaded in parts."""

import hashlib
import io
import json
import zipfile

import httpx
import pytest

from cloud.contract import ModelOrder, ModelPackage, Role
from cloud.store import Store
from tests.cloud.api.routes.test_commands import the_id, waiting
from tests.cloud.api.routes.test_events import code_of
from tests.cloud.conftest import GATE, Login

WEIGHTS = bytes(range(256)) * 8


def package(role: str = "classifier", version: str = "3.3", **files: bytes) -> bytes:
    """A package as `python -m cloud models add` makes it, of a model that nobody can run."""
    content = files or {"own.xml": b"<net/>", "own.bin": WEIGHTS}
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
    entry = {"name": "own", "role": role, "version": version, "files": digests}
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
        archive.writestr("manifest.json", json.dumps({"schema": 1, "models": [entry]}))
    return held.getvalue()


def add(operator: httpx.Client, content: bytes) -> httpx.Response:
    return operator.post("/v1/models", content=content, headers={"Content-Type": "application/zip"})


def test_a_package_is_kept_listed_and_deleted(operator: httpx.Client, store: Store) -> None:
    content = package()
    answer = add(operator, content)
    assert answer.status_code == 201, answer.text
    kept = ModelPackage.model_validate_json(answer.content)
    assert kept.sha256 == hashlib.sha256(content).hexdigest()
    assert (kept.role, kept.name, kept.version, kept.size) == (
        "classifier",
        "own",
        "3.3",
        len(content),
    )
    assert add(operator, content).json() == answer.json()
    assert operator.get("/v1/models").json() == [answer.json()]
    assert operator.delete(f"/v1/models/{kept.sha256}").status_code == 204
    assert operator.get("/v1/models").json() == []
    assert [row.act for row in store.audit.page(limit=5)[0]] == ["model.deleted", "model.added"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no zip", "no ZIP"),
        (package(role="gender"), "role"),
        (package(role="classifier")[:-40], "no ZIP"),
    ],
)
def test_what_is_no_package_is_refused_with_the_reason(
    operator: httpx.Client, content: bytes, reason: str
) -> None:
    answer = add(operator, content)
    assert (answer.status_code, code_of(answer)) == (422, "model_invalid")
    assert reason in answer.json()["detail"]


def test_the_cloud_keeps_ten_packages_of_a_bounded_size(operator: httpx.Client) -> None:
    for number in range(10):
        assert add(operator, package(version=str(number))).status_code == 201
    assert code_of(add(operator, package(version="11"))) == "models_full"
    assert code_of(add(operator, bytes(9 << 20))) == "body_too_large"


def test_a_device_is_ordered_to_take_a_model_and_gets_it_in_two_parts(
    device: httpx.Client, operator: httpx.Client, store: Store
) -> None:
    content = package()
    sha256 = add(operator, content).json()["sha256"]
    device_id = the_id(operator)
    asked = operator.post(f"/v1/devices/{device_id}/model", json={"sha256": sha256})
    assert asked.status_code == 202, asked.text
    back = operator.post(f"/v1/devices/{device_id}/model/rollback", json={"role": "detector"})
    assert back.status_code == 202
    update, rollback = waiting(device)
    assert (update.kind, rollback.kind, rollback.role) == (
        "update_model",
        "roll_back_model",
        "detector",
    )
    order = update.model
    assert order == ModelOrder(
        role="classifier",
        sha256=sha256,
        size=len(content),
        version="3.3",
        path=f"/v1/devices/me/models/{sha256}",
    )
    assert device.get(order.path).content == content
    rest = device.get(order.path, headers={"Range": "bytes=100-"})
    assert (rest.status_code, rest.content) == (206, content[100:])
    assert rest.headers["content-range"] == f"bytes 100-{len(content) - 1}/{len(content)}"
    assert [row.act for row in store.audit.page(limit=2)[0]] == [
        "device.model_rollback_asked",
        "device.model_update_asked",
    ]


def test_a_model_that_is_not_there_cannot_be_ordered(
    device: httpx.Client, operator: httpx.Client
) -> None:
    path = f"/v1/devices/{the_id(operator)}/model"
    assert code_of(operator.post(path, json={"sha256": "0" * 64})) == "model_unknown"
    assert code_of(device.get(f"/v1/devices/me/models/{'0' * 64}")) == "model_unknown"


def test_only_operators_may_ask_and_only_those_of_all_gates_may_add(
    device: httpx.Client, login: Login, operator: httpx.Client
) -> None:
    device_id = the_id(operator)
    for role in (Role.VIEWER, Role.SCANNER, Role.DEVICE):
        asked = login(role).post(f"/v1/devices/{device_id}/model", json={"sha256": "0" * 64})
        assert code_of(asked) == "role_forbidden"
    assert code_of(add(login(Role.OPERATOR, GATE), package())) == "gate_forbidden"
