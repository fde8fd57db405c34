"""From a face in a video to a redeemed pass, through the real processes.

The edge judges the bundled clip with the shipped models; API, worker and Redis are processes of
their own; the messages arrive at a Bot API that speaks HTTP.
"""

from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest

from cloud.client import Client
from cloud.contract import (
    Access,
    Delivery,
    DeliveryStatus,
    Label,
    Outcome,
    PassStatus,
    Redemption,
    RedemptionRequest,
)
from demo.clip import BUNDLED
from demo.deployment import Deployment
from demo.scenario import decode
from tests.doubles.bot_api import BotApiDouble

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

PLAY_TIMEOUT_S = 120


@pytest.fixture
def telegram() -> Iterator[BotApiDouble]:
    with BotApiDouble() as double:
        yield double


def _client(deployment: Deployment, name: str) -> Client:
    return Client(deployment.api_url, deployment.keys[name], timeout_s=30)


def _settled(api: Client) -> list[Delivery]:
    return [item for item in api.iter_deliveries() if item.status is not DeliveryStatus.PENDING]


def _redeem(scanner: Client, text: str) -> Redemption:
    return scanner.redeem_pass(RedemptionRequest(token=text, nonce=uuid4().hex))


def test_the_whole_way(deployment: Deployment, telegram: BotApiDouble) -> None:
    chat = {"CLOUD_TELEGRAM_TOKEN": telegram.token, "CLOUD_TELEGRAM_API_URL": telegram.url}
    with deployment.running("redis", "api", "worker", **chat) as cloud:
        deployment.wait_for(f"{deployment.api_url}/readyz", cloud, "the cloud")
        deployment.prepare()
        with deployment.running("edge", EDGE_SOURCE=str(BUNDLED), DEMO_EDGE_OPTIONS="") as edge:
            assert edge.wait(PLAY_TIMEOUT_S) == 0

        with _client(deployment, "admin") as api, _client(deployment, "scanner") as scanner:
            granted, refused = list(api.iter_events())
            assert (refused.access, refused.label) == (Access.REFUSED, Label.WITHOUT_MASK)
            assert (granted.access, granted.label) == (Access.GRANTED, Label.WITH_MASK)
            # The same person comes back with a mask, and the event begins with the return.
            assert refused.occurred_at < granted.first_seen_at
            assert granted.accepted_at - granted.occurred_at < timedelta(seconds=30)

            [text] = telegram.wait_for_messages(1)
            [photo] = telegram.wait_for_photos(1)
            assert "mask" in text.text
            token = decode(photo.photo)

            first = _redeem(scanner, token)
            again = _redeem(scanner, token)
            assert first.outcome is Outcome.ADMITTED
            assert again.outcome is Outcome.ALREADY_REDEEMED
            assert again.redeemed_at == first.redeemed_at

            kept = next(api.iter_events()).pass_record
            assert kept is not None
            assert kept.status is PassStatus.REDEEMED
            headers = {"Authorization": f"Bearer {deployment.keys['admin']}"}
            told = httpx.get(f"{deployment.api_url}/v1/deliveries", headers=headers, timeout=30)
            assert token not in told.raise_for_status().text
