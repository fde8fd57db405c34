import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.contract import Role
from cloud.errors import KeyInvalid
from cloud.store import Store, mint
from cloud.store.access.keys import SECRET_BYTES
from tests.doubles.redis_server import RedisServer


def test_a_key_is_its_id_and_256_random_bits() -> None:
    minted = mint("desk", Role.VIEWER, None)
    assert re.fullmatch(rf"mg_{minted.stored.id}_[A-Za-z0-9_-]{{43}}", minted.text)
    assert SECRET_BYTES * 8 == 256
    assert mint("desk", Role.VIEWER, None).text != minted.text


def test_a_secret_is_in_no_repr_and_not_in_redis(store: Store, redis_server: RedisServer) -> None:
    minted = mint("desk", Role.VIEWER, None)
    secret = minted.text.split("_", 2)[2]
    assert secret not in repr(minted)
    store.keys.add(minted.stored)
    assert store.keys.authenticate(minted.text).id == minted.stored.id
    with redis_server.client() as client:
        assert all(secret.encode() not in (client.dump(key) or b"") for key in client.keys("*"))


@given(text=st.text(max_size=80) | st.from_regex(r"mg_[0-9a-f]{12}_\S{0,50}", fullmatch=True))
def test_no_other_text_is_a_key(shared_store: Store, text: str) -> None:
    with pytest.raises(KeyInvalid):
        shared_store.keys.authenticate(text)


def test_issuing_shows_the_text_and_not_the_hash() -> None:
    minted = mint("desk", Role.SCANNER, "main")
    shown = minted.issued().model_dump()
    assert shown["key"] == minted.text
    assert "secret_sha256" not in shown
