"""Addresses of Redis: what is read out of that of a service, and what is refused."""

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.addresses import Service, checked, is_readable, masked, secrets_in


def test_a_service_is_read_with_its_sentinels() -> None:
    service = Service.read(
        "rediss+sentinel://gate:p%40ss@one:26380,two,[2001:db8::1]:26381/main/3"
        "?sentinel_password=hush&ssl_ca_certs=/etc/ca.pem"
    )
    assert service is not None
    assert service.sentinels == (("one", 26380), ("two", 26379), ("2001:db8::1", 26381))
    assert service.name == "main"
    assert service.example == "rediss://gate:p%40ss@master/3?ssl_ca_certs=%2Fetc%2Fca.pem"
    assert service.logins == {"password": "hush"}
    assert "p%40ss" not in repr(service)
    assert "hush" not in repr(service)


@pytest.mark.parametrize("address", ["redis://h/0", "rediss://u:p@h:1/0", "unix:///run/redis.sock"])
def test_other_addresses_are_of_one_server(address: str) -> None:
    assert Service.read(address) is None
    assert checked(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "127.0.0.1:6379",
        "http://127.0.0.1",
        "sentinel://h/main",
        "redis+sentinel://h",
        "redis+sentinel:///main",
        "redis+sentinel://h/main/zero",
        "redis+sentinel://h:port/main",
        "redis+sentinel://h,,i/main",
    ],
)
def test_what_is_no_address_of_redis_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"redis\+sentinel://host:26379"):
        checked(address)


@pytest.mark.parametrize("hosts", ["h,i", "h,[2001:db8::1]:26381"])
def test_all_passwords_of_an_address_are_known(hosts: str) -> None:
    assert secrets_in("redis://h/0") == []
    assert set(secrets_in("redis://:a%21b@h/0")) == {"a%21b", "a!b"}
    held = secrets_in(f"redis+sentinel://u:data@{hosts}/main?sentinel_password=watch")
    assert held == ["data", "watch"]


PASSWORDS = st.text(alphabet="#/?@:[]%& abcXYZ0!", min_size=1, max_size=12).map(
    lambda text: f"Zq{text}Zq"
)
"""With `Zq` at both ends, which stands in no text of ours."""


@given(password=PASSWORDS, scheme=st.sampled_from(["redis", "rediss", "REDIS", "redis+sentinel"]))
def test_a_password_with_reserved_characters_is_read_or_refused_without_it(
    password: str, scheme: str
) -> None:
    address = f"{scheme}://gate:{password}@cache.example:6379/0"
    assert "Zq" not in masked(address)
    read, refused = "", ""
    try:
        read = checked(address)
    except ValueError as error:
        refused = str(error)
    if refused:
        assert "Zq" not in refused
        assert "%23" in refused
        return
    service = Service.read(read)
    parts = urlsplit(service.example if service else read)
    assert parts.username == "gate"
    assert parts.password is not None
    assert unquote(parts.password) in {password, unquote(password)}
    assert unquote(password) in secrets_in(read)


@pytest.mark.parametrize(
    ("address", "read"),
    [
        ("redis://:p#/?@h", "redis://:p%23%2F%3F@h"),
        ("REDISS://u:a@b@h:1/2", "rediss://u:a%40b@h:1/2"),
        ("redis://:a%23b@h/0", "redis://:a%23b@h/0"),
        ("redis://:p[w@h/0", "redis://:p%5Bw@h/0"),
        ("redis://h/0?password=a@b", "redis://h/0?password=a@b"),
        ("unix:///run/a@b.sock", "unix:///run/a@b.sock"),
        (
            "redis+sentinel://:a#b@one,[::1]:5/main?sentinel_password=c@d",
            "redis+sentinel://:a%23b@one,[::1]:5/main?sentinel_password=c@d",
        ),
    ],
)
def test_a_login_is_encoded_where_the_address_can_be_read_in_one_way(
    address: str, read: str
) -> None:
    assert checked(address) == read


@pytest.mark.parametrize(
    "address",
    ["redis://u:12/34@h", "redis://:p@ss#w@h", "redis://h:secret", "redis://:secret@[::1/0"],
)
def test_an_address_that_is_cut_in_the_wrong_place_is_refused_with_advice(address: str) -> None:
    with pytest.raises(ValueError, match="# is %23") as caught:
        checked(address)
    assert not [word for word in ("secret", "12", "34", "ss#w") if word in str(caught.value)]


@pytest.mark.parametrize(
    ("proxy", "readable"),
    [
        ("http://me:pw@proxy:3128", True),
        ("proxy:3128", True),
        ("http://[::1]:3128/", True),
        ("http://me:p#w@proxy:3128", False),
        ("http://me:1/2@proxy:3128", False),
        ("http://proxy:port", False),
        ("http://", False),
    ],
)
def test_a_proxy_is_readable_or_not(proxy: str, readable: bool) -> None:
    assert is_readable(proxy) is readable
