"""Doors share one list of used passes through their hub."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from edge.door.claims import Claims
from edge.door.hub import serve
from edge.door.hub_client import HubAddress, HubClient
from edge.door.ledger import sha256_of
from edge.errors import HubUnreachableError, SettingsError
from tests.edge.door.signed import TOKEN

KEY = SecretStr("a-long-random-key-of-the-site")


@contextmanager
def hub(path: Path) -> Iterator[str]:
    claims = Claims(path)
    server = serve(claims, KEY, "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        claims.close()


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with hub(tmp_path / "claims.db") as address:
        yield address


def door(url: str, name: str, key: SecretStr = KEY) -> HubClient:
    return HubClient(HubAddress(url, key, name))


def test_a_pass_is_granted_to_the_first_door_that_claims_it(url: str) -> None:
    with door(url, "north") as north, door(url, "south") as south:
        assert north.claim(sha256_of(TOKEN), "nonce-0001").granted
        refused = south.claim(sha256_of(TOKEN), "nonce-0002")
        assert (refused.granted, refused.door) == (False, "north")
        assert north.claim(sha256_of(TOKEN), "nonce-0001").granted, "a repeated claim"


def test_of_doors_that_claim_at_once_one_is_granted(url: str) -> None:
    def claim(number: int) -> bool:
        with door(url, f"door {number}") as client:
            return client.claim(sha256_of(TOKEN), f"nonce-{number:04}").granted

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(claim, range(16))) == 1


def test_a_claim_outlives_the_hubs_restart(tmp_path: Path) -> None:
    path = tmp_path / "claims.db"
    with hub(path) as url, door(url, "north") as north:
        north.claim(sha256_of(TOKEN), "nonce-0001")
    with hub(path) as url, door(url, "south") as south:
        assert not south.claim(sha256_of(TOKEN), "nonce-0002").granted


def test_a_wrong_key_claims_nothing(url: str) -> None:
    with (
        door(url, "stranger", SecretStr("a-wrong-key-of-the-site")) as stranger,
        pytest.raises(HubUnreachableError, match="hub"),
    ):
        stranger.claim(sha256_of(TOKEN), "nonce-0001")
    with door(url, "north") as north:
        assert north.claim(sha256_of(TOKEN), "nonce-0002").granted


@pytest.mark.parametrize(
    ("path", "body"), [("/claims", b"nonsense"), ("/else", b"{}"), ("/claims", b"x" * 5000)]
)
def test_what_is_no_claim_is_refused(url: str, path: str, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {KEY.get_secret_value()}"}
    assert httpx.post(url + path, content=body, headers=headers).status_code == 400


def test_a_probe_needs_no_key(url: str) -> None:
    assert httpx.get(f"{url}/healthz").status_code == 200
    assert httpx.get(f"{url}/claims").status_code == 404


def test_a_hub_that_is_away_is_named(url: str) -> None:
    with (
        door("http://127.0.0.1:9", "north") as north,
        pytest.raises(HubUnreachableError, match="EDGE_DOOR_HUB"),
    ):
        north.claim(sha256_of(TOKEN), "nonce-0001")


def test_a_port_that_is_taken_is_named(url: str, tmp_path: Path) -> None:
    claims = Claims(tmp_path / "other.db")
    port = int(url.rpartition(":")[2])
    with pytest.raises(SettingsError, match=str(port)):
        serve(claims, KEY, "127.0.0.1", port)
    claims.close()
