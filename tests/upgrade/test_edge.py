"""An edge one version older or newer than the cloud: what differs is a field, a kind, a code.

The real edge's client speaks to the real API; what another version would say or leave out is
added and taken away on the way between them.
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from uuid_utils.compat import uuid7

from cloud.contract import (
    Access,
    CameraState,
    CommandKind,
    EnrolmentRequest,
    Event,
    GateSettings,
    Heartbeat,
    Label,
)
from cloud.store import Store, keyspace, now
from edge.commands import CommandHandlers, CommandPoller
from edge.delivery.client import Client
from edge.errors import CloudUnreachableError

# The API and the store that the cloud's own tests have.
from tests.cloud.conftest import (  # noqa: F401
    GATE,
    api_url,
    logs_through_the_standard_library,
    redis_server,
    settings,
    shared_settings,
    shared_url,
    store,
)

Change = Callable[[Any], Any]


def same(body: Any) -> Any:
    """Return the message as this version writes it."""
    return body


def newer(body: Any) -> Any:
    """Return the message with an unknown field in every object."""
    if isinstance(body, dict):
        known = {name: newer(value) for name, value in body.items()}
        # What maps names of the device's own choice to values has no fields.
        own = {"models", "inference_precisions", "attributes", "cameras"}
        known = {name: body[name] if name in own else value for name, value in known.items()}
        return {**known, "of_a_later_version": {"since": "0.2"}}
    return [newer(each) for each in body] if isinstance(body, list) else body


def older(body: Any) -> Any:
    """Return the message without the fields that the first version of the wire lacks or ignores."""
    later = {"attributes", "problems", "models", "inference_precisions", "version"}
    if not isinstance(body, dict):
        return body
    needed = {"version", "models"} if "camera" in body else set()
    return {name: value for name, value in body.items() if name not in later - needed}


class Between(httpx.BaseTransport):
    """Changes requests and answers between the edge and the cloud."""

    def __init__(self, asked: Change = same, answered: Change = same) -> None:
        self._asked = asked
        self._answered = answered
        self._network = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        content = request.read()
        if content:
            content = json.dumps(self._asked(json.loads(content))).encode()
        headers = {
            name: request.headers[name]
            for name in ("Authorization", "Content-Type")
            if name in request.headers
        }
        sent = httpx.Request(request.method, request.url, headers=headers, content=content or None)
        answer = self._network.handle_request(sent)
        body = answer.read()
        if body.startswith(b"{"):
            body = json.dumps(self._answered(json.loads(body))).encode()
        return httpx.Response(answer.status_code, stream=httpx.ByteStream(body))

    def close(self) -> None:
        self._network.close()


VERSIONS: dict[str, tuple[Change, Change]] = {
    "an older edge": (older, same),
    "a newer edge": (newer, same),
    "a newer cloud": (same, newer),
    "both newer": (newer, newer),
}


@pytest.fixture(params=list(VERSIONS.values()), ids=list(VERSIONS))
def client(request: pytest.FixtureRequest, api_url: str, store: Store) -> Iterator[Client]:  # noqa: F811
    code = store.devices.new_code(GATE, timedelta(minutes=5), now())
    with Client(api_url, transport=Between(*request.param)) as unknown:
        enrolment = unknown.enrol(EnrolmentRequest(code=code.code, name="Door", version="0.0.9"))
    key = SecretStr(enrolment.device_key)
    with Client(api_url, key=key, transport=Between(*request.param)) as enrolled:
        yield enrolled


def _event(label: Label) -> Event:
    moment = datetime.now(UTC)
    return Event(
        id=uuid7(), label=label, confidence=0.97, votes=9, first_seen_at=moment, occurred_at=moment
    )


@pytest.mark.parametrize(
    ("label", "access"),
    [(Label.WITH_MASK, Access.GRANTED), (Label.WITHOUT_MASK, Access.REFUSED)],
)
def test_events_are_decided(client: Client, label: Label, access: Access) -> None:
    event = _event(label)
    decision = client.post_event(event.id, event.model_dump_json())
    assert decision.access is access
    again = client.post_event(event.id, event.model_dump_json())
    assert again == decision


def test_heartbeats_settings_commands_and_a_new_key_go_through(
    client: Client,
    store: Store,  # noqa: F811
) -> None:
    client.send_heartbeat(
        Heartbeat(
            sent_at=datetime.now(UTC),
            camera=CameraState.LIVE,
            fps=14.8,
            latency_ms=41.5,
            outbox_depth=3,
            models={"detector": "ab" * 32},
            version="0.0.9",
        )
    )
    (device,) = store.devices.all()
    assert device.last_heartbeat is not None
    assert device.last_heartbeat.outbox_depth == 3

    told: list[Any] = []
    handlers = CommandHandlers(
        apply_settings=told.append, save_key=told.append, reload=lambda: told.append("reload")
    )
    store.commands.set(GATE, GateSettings(votes=9))
    store.client.xadd(keyspace.commands(device.id), {"kind": "sing", "at": 1})  # nobody knows how
    for kind in (CommandKind.ROLL_KEY, CommandKind.RELOAD):
        store.commands.issue([device.id], kind, now())
    CommandPoller(client, handlers, wait_s=0).poll_once()
    assert told[0].settings.votes == 9
    assert told[-1] == "reload"
    assert any(hasattr(each, "device_key") for each in told)
    event = _event(Label.WITH_MASK)
    assert client.post_event(event.id, event.model_dump_json()).access is Access.GRANTED


def test_a_refusal_of_a_later_version_is_tried_again_and_loses_nothing(
    api_url: str,  # noqa: F811
    store: Store,  # noqa: F811
) -> None:
    def unheard_of(body: Any) -> Any:
        return {**body, "code": "of_a_later_version"} if "code" in body else body

    code = store.devices.new_code(GATE, timedelta(minutes=5), now())
    enrolled = store.devices.enrol(EnrolmentRequest(code=code.code, name="Door"), now())
    key = SecretStr(enrolled.device_key)
    with Client(api_url, key=key, transport=Between(answered=unheard_of)) as client:
        event = _event(Label.WITH_MASK)
        client.post_event(event.id, event.model_dump_json())
        other = event.model_copy(update={"votes": 3})
        with pytest.raises(CloudUnreachableError, match="answered 409"):
            client.post_event(event.id, other.model_dump_json())


@pytest.mark.parametrize("sample", ["event", "event_of_a_newer_edge"])
def test_what_other_versions_have_sent_is_taken(
    client: Client,
    sample: str,
) -> None:
    kept = Path(__file__).parents[1] / "contract" / "v1" / f"{sample}.json"
    body = json.loads(kept.read_text())
    # What was sent then was of then: today it would come too late for a pass.
    moment = datetime.now(UTC).isoformat()
    body |= {"id": str(uuid7()), "first_seen_at": moment, "occurred_at": moment}
    event = Event.model_validate(body)
    assert client.post_event(event.id, json.dumps(body)).access is Access.GRANTED
