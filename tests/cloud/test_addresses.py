"""Addresses of Redis: what is read out of that of a service, and what is refused."""

import pytest

from cloud.addresses import Service, checked, secrets_in


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
