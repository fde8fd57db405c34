"""The API against its own OpenAPI document, by schemathesis: requests as the document allows them,
and as it does not, of every operation. No answer may be an error of ours, or one that the document
does not tell of. The examples are the same in each run, and bounded."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, cast

import pytest
import schemathesis
from hypothesis import HealthCheck
from hypothesis import settings as examples
from schemathesis import Case
from schemathesis.checks import CHECKS, CheckFunction, load_all_checks

from cloud.api.app import create_app
from cloud.contract import EnrolmentRequest, Role
from cloud.settings import Settings
from cloud.store import Store, mint, now
from tests.cloud.conftest import GATE, serving

load_all_checks()
MUST_HOLD: list[CheckFunction] = [
    cast(CheckFunction, CHECKS.get_one(name))
    for name in (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    )
]
OF_A_DEVICE = {"post_event", "send_heartbeat"}

document = schemathesis.openapi.from_dict(create_app(Settings()).openapi())
document.config.generation.update(max_examples=6, deterministic=True)
document.config.phases.coverage.enabled = False

bounded = examples(
    max_examples=6,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def address(shared_settings: Settings) -> Iterator[str]:
    """An API whose event stream ends soon: schemathesis waits for the end of an answer."""
    with serving(shared_settings.model_copy(update={"stream_lifetime_s": 0.02})) as at:
        yield at


@pytest.fixture
def keys(store: Store) -> dict[Role, str]:
    code = store.devices.new_code(GATE, timedelta(minutes=5), now())
    enrolled = store.devices.enrol(EnrolmentRequest(code=code.code, name="camera"), now())
    admin = mint("admin", Role.ADMIN, None)
    store.keys.add(admin.stored)
    return {Role.DEVICE: enrolled.device_key, Role.ADMIN: admin.text}


@document.parametrize()
@bounded
def test_every_answer_is_one_that_the_document_tells_of(
    case: Case[Any], address: str, keys: dict[Role, str]
) -> None:
    role = (
        Role.DEVICE if case.operation.definition.raw["operationId"] in OF_A_DEVICE else Role.ADMIN
    )
    case.call_and_validate(
        base_url=address,
        headers={"Authorization": f"Bearer {keys[role]}"},
        checks=MUST_HOLD,
        timeout=30,
    )
