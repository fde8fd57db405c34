"""What operators do with a subscriber beside making it: try it out, roll its secret."""

from datetime import timedelta

import httpx
import pytest

from cloud.contract import Channel, DeliveryKind, DeliveryStatus, Role
from cloud.notify.webhook import new_secret
from cloud.store import Store, now, subscriber_id
from cloud.store.messages.webhook_secrets import OVERLAP
from cloud.worker import jobs
from cloud.worker.context import JobContext
from tests.cloud.api.routes.test_events import code_of
from tests.cloud.builders import Clock, Recorder
from tests.cloud.conftest import GATE, OTHER_GATE, Login

SUBSCRIBERS = f"/v1/gates/{GATE}/subscribers"
ADDRESSES = {
    Channel.TELEGRAM: "42",
    Channel.EMAIL: "guard@example.org",
    Channel.WEBHOOK: "https://hooks.example.org/",
}
ALWAYS_QUIET = {"start": "00:00", "end": "00:00"}


def subscribed(operator: httpx.Client, channel: Channel, **more: object) -> dict[str, str]:
    body = {"channel": channel.value, "address": ADDRESSES[channel], **more}
    answer = operator.post(SUBSCRIBERS, json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, str] = answer.json()
    return made


@pytest.mark.parametrize("channel", list(Channel))
def test_a_test_goes_out_at_once_and_is_listed(
    operator: httpx.Client, login: Login, store: Store, channel: Channel
) -> None:
    made = subscribed(operator, channel, quiet_hours=ALWAYS_QUIET, cooldown_s=86_400)
    store.suspensions.suspend(GATE, made["id"], "on holiday", now())
    recorder, clock = Recorder(), Clock()
    jobs.set_context(JobContext(store, {channel: recorder}, None, clock))
    answer = operator.post(f"{SUBSCRIBERS}/{made['id']}/test")
    assert answer.status_code == 201
    assert answer.json()["kind"] == "test"
    assert answer.json()["status"] == "pending"
    assert jobs.deliver(answer.json()["id"]) is None
    (message,) = recorder.sent
    assert message.address == ADDRESSES[channel]
    assert not message.silent
    assert message.acknowledge is None
    (listed,), _ = store.deliveries.page(gate=GATE, status=None, before=None, limit=5)
    assert (listed.kind, listed.status) == (DeliveryKind.TEST, DeliveryStatus.SENT)
    entries = login(Role.ADMIN).get("/v1/audit").json()["items"]
    assert entries[0]["act"] == "subscriber.tested"


def test_tests_are_limited(operator: httpx.Client, store: Store) -> None:
    made = subscribed(operator, Channel.TELEGRAM)
    other = subscribed(operator, Channel.EMAIL)
    answers = [operator.post(f"{SUBSCRIBERS}/{made['id']}/test") for _ in range(6)]
    # The window may end between two of them, but not twice.
    assert [answer.status_code for answer in answers[:5]] == [201] * 5
    assert answers[5].status_code in {201, 429}
    if answers[5].status_code == 429:
        assert code_of(answers[5]) == "rate_limited"
        assert int(answers[5].headers["Retry-After"]) <= 60
    assert operator.post(f"{SUBSCRIBERS}/{other['id']}/test").status_code == 201


def test_a_rolled_secret_is_shown_once_and_the_old_one_is_good_for_a_day(
    operator: httpx.Client, login: Login, store: Store
) -> None:
    made = subscribed(operator, Channel.WEBHOOK)
    answer = operator.post(f"{SUBSCRIBERS}/{made['id']}/secret")
    assert answer.status_code == 201
    fresh = answer.json()["secret"]
    assert fresh.startswith("whsec_")
    assert fresh != made["secret"]
    at = now()
    assert store.webhook_secrets.all(GATE, made["id"], at) == [fresh, made["secret"]]
    assert fresh not in operator.get(SUBSCRIBERS).text

    recorder = Recorder()
    jobs.set_context(JobContext(store, {Channel.WEBHOOK: recorder}, None))
    tested = operator.post(f"{SUBSCRIBERS}/{made['id']}/test").json()
    jobs.deliver(tested["id"])
    assert [secret.get_secret_value() for secret in recorder.sent[0].secrets] == [
        fresh,
        made["secret"],
    ]
    assert store.webhook_secrets.all(GATE, made["id"], at + OVERLAP) == [fresh]
    assert store.webhook_secrets.all(GATE, made["id"], at) == [fresh]
    entries = login(Role.ADMIN).get("/v1/audit").json()["items"]
    assert "subscriber.secret_rolled" in {entry["act"] for entry in entries}


def test_rolled_twice_the_first_secret_is_good_no_more(store: Store) -> None:
    first, second, third = new_secret(), new_secret(), new_secret()
    at = now()
    store.webhook_secrets.add(GATE, "hook", first)
    assert store.webhook_secrets.roll(GATE, "hook", second, at) == at + OVERLAP
    store.webhook_secrets.roll(GATE, "hook", third, at + timedelta(hours=1))
    assert store.webhook_secrets.all(GATE, "hook", at + OVERLAP) == [third, second]
    assert store.webhook_secrets.all(GATE, "hook", at + timedelta(hours=25)) == [third]


def test_a_webhook_that_is_removed_leaves_no_secret(operator: httpx.Client, store: Store) -> None:
    made = subscribed(operator, Channel.WEBHOOK)
    operator.post(f"{SUBSCRIBERS}/{made['id']}/secret")
    operator.delete(f"{SUBSCRIBERS}/{made['id']}")
    assert store.webhook_secrets.all(GATE, made["id"], now()) == []


@pytest.mark.parametrize("route", ["test", "secret"])
def test_what_is_not_there_or_not_theirs_is_refused(
    operator: httpx.Client, login: Login, route: str
) -> None:
    made = subscribed(operator, Channel.WEBHOOK)
    assert code_of(operator.post(f"{SUBSCRIBERS}/none/{route}")) == "subscriber_unknown"
    elsewhere = f"/v1/gates/none/subscribers/{made['id']}/{route}"
    assert code_of(operator.post(elsewhere)) == "gate_unknown"
    stranger = login(Role.OPERATOR, OTHER_GATE)
    assert code_of(stranger.post(f"{SUBSCRIBERS}/{made['id']}/{route}")) == "gate_forbidden"
    assert code_of(login(Role.VIEWER).post(f"{SUBSCRIBERS}/{made['id']}/{route}")) == (
        "role_forbidden"
    )


def test_only_a_webhook_has_a_secret(operator: httpx.Client) -> None:
    made = subscribed(operator, Channel.TELEGRAM)
    assert subscriber_id(Channel.TELEGRAM, "42") == made["id"]
    answer = operator.post(f"{SUBSCRIBERS}/{made['id']}/secret")
    assert code_of(answer) == "malformed_request"


@pytest.mark.parametrize(
    ("channel", "address"),
    [
        *(
            ("webhook", address)
            for address in (
                "https://example.org:99999/",
                "https://example.org:0/",
                "https://example.org:-1/",
                "https://exa mple.org/",
                "https://example..org/",
                "https://-example.org/",
                "https://.org/",
                "https://exam,ple.org/",
                "https://%41.org/",
                f"https://{'a' * 64}.org/",
                f"https://{'a.' * 130}org/",
                "https://example.org\\\\@elsewhere.example/",
                "https://example.org/a b",
                "https:///path",
                "ftp://example.org/",
                "example.org",
                "https://user:secret@example.org/",
            )
        ),
        *(
            ("email", address)
            for address in (
                "guard",
                "guard@",
                "@example.org",
                "guard@example",
                "guard@-example.org",
                "guard@example..org",
                "guard@exam_ple.org",
                "guard@example.1",
                "guard@[192.0.2.7]",
                "guard(night)@example.org",
                "guard@example.org, all@example.org",
                "<guard@example.org>",
                f"{'g' * 65}@example.org",
                f"guard@{'e' * 64}.org",
                "gu ard@example.org",
            )
        ),
        *(
            ("telegram", address)
            for address in (
                "0",
                "007",
                "+7",
                "12a",
                "@abc",
                "@1abcde",
                "guard",
                "9" * 19,
                "-" + "9" * 16,
            )
        ),
    ],
)
def test_an_address_that_can_reach_nobody_is_refused(
    operator: httpx.Client, channel: str, address: str
) -> None:
    new = {"channel": channel, "address": address}
    answer = operator.post(f"/v1/gates/{GATE}/subscribers", json=new)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["body", "address"]
    assert operator.get(f"/v1/gates/{GATE}/subscribers").json() == []


@pytest.mark.parametrize(
    ("channel", "address"),
    [
        ("webhook", "https://example.org:65535/a?b=c"),
        ("webhook", "https://bücher.example/"),
        ("email", "night.guard+gate@mail.example.org"),
        ("email", "guard@bücher.example"),
        ("telegram", "-1001234567890"),
        ("telegram", "@some_channel"),
    ],
)
def test_an_address_that_may_reach_somebody_is_taken(
    operator: httpx.Client, channel: str, address: str
) -> None:
    new = {"channel": channel, "address": address}
    answer = operator.post(f"/v1/gates/{GATE}/subscribers", json=new)
    assert answer.status_code == 201
    assert answer.json()["address"] == address
