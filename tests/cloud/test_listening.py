"""Servers at ``::`` are asked on IPv6 and on IPv4."""

import httpx
import pytest

from cloud import meters
from cloud.settings import Settings
from tests.cloud.conftest import serving
from tests.doubles.redis_server import free_port
from tests.ipv6 import BOTH_FAMILIES, needs_ipv6

pytestmark = needs_ipv6


@pytest.mark.usefixtures("store")
def test_the_api_on_every_address_answers_on_ipv6_and_ipv4(settings: Settings) -> None:
    with serving(settings, host="::") as address:
        port = httpx.URL(address).port
        for host in BOTH_FAMILIES:
            assert httpx.get(f"http://{host}:{port}/healthz", timeout=30).status_code == 200


def test_the_api_on_one_address_answers_nowhere_else(settings: Settings) -> None:
    with serving(settings) as address, pytest.raises(httpx.ConnectError):
        httpx.get(f"http://[::1]:{httpx.URL(address).port}/healthz", timeout=30)


def test_metrics_on_every_address_are_read_on_ipv6_and_ipv4(settings: Settings) -> None:
    port = free_port()
    end = meters.serve(settings.model_copy(update={"host": "::", "metrics_port": port}))
    try:
        for host in BOTH_FAMILIES:
            answer = httpx.get(f"http://{host}:{port}/metrics", timeout=30)
            assert "maskgate_" in answer.text
    finally:
        end()
