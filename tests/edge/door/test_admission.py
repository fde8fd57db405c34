"""The cloud decides; while it is away, a good signature may open the door once."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from cloud.contract import Outcome, Redemption
from edge.delivery.client import Client
from edge.door.admission import Admission, Answer, OfflineRules, Refusal
from edge.door.claims import ClaimAnswer
from edge.door.hub_client import Claiming
from edge.door.ledger import Ledger
from edge.door.settings import HubPolicy, OfflinePolicy
from edge.door.signatures import PassVerifier
from edge.errors import HubUnreachableError
from tests.edge.door.signed import GATE, NOW, OTHER_PUBLIC_KEY, OTHER_TOKEN, PUBLIC_KEY, TOKEN, code


class Cloud:
    """Answers redemptions with an outcome, or not at all."""

    def __init__(self) -> None:
        self.outcome: Outcome | None = Outcome.ADMITTED
        self.status = 200
        self.requests: list[dict[str, str]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.outcome is None:
            raise httpx.ConnectError("no route to host", request=request)
        self.requests.append(json.loads(request.content))
        said = Redemption(outcome=self.outcome, message="said by the cloud", at=NOW)
        body = httpx.ByteStream(said.model_dump_json().encode())
        return httpx.Response(self.status, stream=body)


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "door.db") as opened:
        yield opened


Decide = Callable[..., Answer]


@pytest.fixture
def decide(cloud: Cloud, ledger: Ledger) -> Iterator[Decide]:
    client = Client(
        "http://cloud.test", key=SecretStr("a-key"), transport=httpx.MockTransport(cloud)
    )

    def make(
        scanned: str,
        *,
        policy: OfflinePolicy = OfflinePolicy.SIGNED,
        claim: Claiming | None = None,
        without_hub: HubPolicy = HubPolicy.CLOSED,
        keys: tuple[str, ...] = (PUBLIC_KEY,),
        now: datetime = NOW,
    ) -> Answer:
        rules = OfflineRules(policy, GATE, PassVerifier(keys), claim, without_hub)
        return Admission(client, ledger, rules, clock=lambda: now).decide(scanned)

    with client:
        yield make


@pytest.mark.parametrize("outcome", list(Outcome))
def test_the_door_opens_only_if_the_cloud_admits(
    cloud: Cloud, decide: Decide, outcome: Outcome
) -> None:
    cloud.outcome = outcome
    answer = decide(code())
    assert answer == Answer(outcome, "said by the cloud")
    assert answer.opens is (outcome is Outcome.ADMITTED)
    assert cloud.requests[0]["gate"] == GATE


def test_a_door_that_is_not_told_otherwise_stays_shut_without_the_cloud(
    cloud: Cloud, decide: Decide
) -> None:
    cloud.outcome = None
    with capture_logs() as log:
        answer = decide(code(), policy=OfflinePolicy.CLOSED)
    assert (answer.outcome, answer.opens, answer.offline) == (Refusal.CLOUD_AWAY, False, True)
    assert [line["event"] for line in log] == ["door_stays_shut"]


def test_a_signed_pass_opens_the_door_once_without_the_cloud(
    cloud: Cloud, decide: Decide, ledger: Ledger
) -> None:
    cloud.outcome = None
    assert decide(code()).opens
    assert decide(code()).outcome == Outcome.ALREADY_REDEEMED
    pending = ledger.pending()
    assert pending is not None
    assert (pending.scanned, pending.admitted_at) == (code(), NOW)


@pytest.mark.parametrize(
    ("scanned", "outcome"),
    [
        (TOKEN, Refusal.NOT_SIGNED),
        (f"https://gate.example.org/p/{TOKEN}", Refusal.NOT_SIGNED),
        (code().replace(TOKEN, OTHER_TOKEN), Refusal.NOT_SIGNED),
        (code(gate="side"), Outcome.WRONG_GATE),
        (code(good_for=timedelta(0)), Outcome.EXPIRED),
    ],
    ids=["bare", "address", "forged", "other gate", "expired"],
)
def test_without_the_cloud_only_a_good_signature_opens(
    cloud: Cloud, decide: Decide, ledger: Ledger, scanned: str, outcome: str
) -> None:
    cloud.outcome = None
    answer = decide(scanned)
    assert (answer.outcome, answer.opens) == (outcome, False)
    assert answer.message
    assert ledger.pending() is None


def test_an_old_and_a_new_key_are_both_good(cloud: Cloud, decide: Decide) -> None:
    cloud.outcome = None
    assert decide(code(), keys=(OTHER_PUBLIC_KEY,)).outcome == Refusal.NOT_SIGNED
    assert decide(code(), keys=(OTHER_PUBLIC_KEY, PUBLIC_KEY)).opens


def test_a_pass_that_the_cloud_redeemed_opens_nothing_in_the_outage_that_follows(
    cloud: Cloud, decide: Decide
) -> None:
    assert decide(code()).opens
    cloud.outcome = None
    assert decide(code()).outcome == Outcome.ALREADY_REDEEMED


def test_a_pass_that_another_door_claimed_opens_nothing(cloud: Cloud, decide: Decide) -> None:
    cloud.outcome = None
    taken = ClaimAnswer(granted=False, door="north", claimed_at=NOW)
    assert decide(code(), claim=lambda _token, _nonce: taken).outcome == Outcome.ALREADY_REDEEMED
    granted = ClaimAnswer(granted=True, door="here", claimed_at=NOW)
    assert decide(code(), claim=lambda _token, _nonce: granted).opens


@pytest.mark.parametrize(
    ("policy", "outcome"),
    [(HubPolicy.CLOSED, Refusal.HUB_AWAY), (HubPolicy.OWN_MEMORY, Outcome.ADMITTED)],
)
def test_without_cloud_and_hub_the_setting_decides(
    cloud: Cloud, decide: Decide, policy: HubPolicy, outcome: str
) -> None:
    def away(_token: str, _nonce: str) -> ClaimAnswer:
        raise HubUnreachableError("the hub cannot be asked")

    cloud.outcome = None
    assert decide(code(), claim=away, without_hub=policy).outcome == outcome


def test_an_admission_that_cannot_be_recorded_is_none(
    cloud: Cloud, decide: Decide, ledger: Ledger
) -> None:
    cloud.outcome = None
    ledger._db.execute("PRAGMA query_only=ON")
    assert decide(code()).outcome == Refusal.NOT_RECORDED


def test_a_key_that_the_cloud_refuses_opens_nothing(cloud: Cloud, decide: Decide) -> None:
    cloud.status = 401
    answer = decide(code())
    assert (answer.outcome, answer.opens) == (Refusal.KEY_REFUSED, False)
