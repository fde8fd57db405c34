"""Limits, origins, proxies and headers, each with the setting that it hangs on."""

from collections.abc import Callable

import httpx
import pytest
from pydantic import ValidationError

from cloud.api.access.callers import network
from cloud.api.middleware.rate_limit import Counters
from cloud.contract import Role
from cloud.settings import Settings
from cloud.store import Store, StoredAccount
from tests.cloud.api.routes.test_events import code_of
from tests.cloud.conftest import GATE, Login, SignIn, serving

SITE = "https://desk.example.org"


def test_requests_over_an_address_rate_are_refused_and_probes_are_not(
    settings: Settings, store: Store
) -> None:
    limited = settings.model_copy(update={"address_rate": "3 per hour"})
    with serving(limited) as url, httpx.Client(base_url=url, timeout=20) as client:
        answers = [client.get("/p/7Kq2mXw9RtB4z") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert code_of(answers[-1]) == "rate_limited"
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 3600
        assert answers[-1].headers["x-content-type-options"] == "nosniff"
        assert client.get("/healthz").status_code == 200


def test_each_key_has_a_rate_of_its_own(settings: Settings, store: Store, login: Login) -> None:
    limited = settings.model_copy(update={"key_rate": "2 per hour"})
    keys = [login(Role.VIEWER).headers["Authorization"] for _ in range(2)]
    with serving(limited) as url, httpx.Client(base_url=url, timeout=20) as client:

        def ask(key: str) -> int:
            return client.get("/v1/gates", headers={"Authorization": key}).status_code

        assert [ask(keys[0]) for _ in range(3)] == [200, 200, 429]
        # Who knows a key's id and not its secret uses nothing of its rate up.
        assert [ask(keys[1][:-1] + "!") for _ in range(3)] == [401, 401, 429]
        assert ask(keys[1]) == 200


SPELLINGS = ["Bearer {}", "bearer {}", "BEARER {}", "Bearer   {}", "bEARER  {}"]


def test_a_key_has_one_rate_however_its_header_is_spelt(
    settings: Settings, store: Store, login: Login
) -> None:
    limited = settings.model_copy(update={"key_rate": f"{len(SPELLINGS)} per hour"})
    key = login(Role.ADMIN).headers["Authorization"].removeprefix("Bearer ")
    event = login(Role.DEVICE).headers["Authorization"].removeprefix("Bearer ")
    with serving(limited) as url, httpx.Client(base_url=url, timeout=20) as client:

        def ask(spelling: str) -> int:
            header = {"Authorization": spelling.format(key)}
            return client.get("/v1/gates", headers=header).status_code

        assert [ask(spelling) for spelling in SPELLINGS] == [200] * len(SPELLINGS)
        assert [ask(spelling) for spelling in SPELLINGS] == [429] * len(SPELLINGS)

        def post(spelling: str) -> int:
            header = {"Authorization": spelling.format(event)}
            return client.post("/v1/events", content=b"{}", headers=header).status_code

        assert [post(spelling) for spelling in SPELLINGS] == [422] * len(SPELLINGS)
        assert [post(spelling) for spelling in SPELLINGS] == [429] * len(SPELLINGS)


@pytest.mark.parametrize(
    "values",
    [
        ["Bearer\t{}"],
        ["Bearer{}"],
        ["Basic {}"],
        ["Bearer"],
        [""],
        ["Bearer {} {}"],
        ["Bearer {},"],
        ["Bearer {}", "Bearer {}"],
        ["Bearer {}", "Basic x"],
        ["", "Bearer {}"],
    ],
)
@pytest.mark.parametrize("path", ["/v1/gates", "/v1/passes/redeem", "/v1/keys"])
def test_what_is_no_bearer_key_is_read_so_on_every_route(
    login: Login, values: list[str], path: str
) -> None:
    key = login(Role.ADMIN).headers["Authorization"].removeprefix("Bearer ")
    headers = [("Authorization", value.replace("{}", key)) for value in values]
    method, body = ("POST", b"{}") if path == "/v1/passes/redeem" else ("GET", None)
    answer = login(None).request(method, path, headers=headers, content=body)
    assert answer.status_code == 401
    assert code_of(answer) in {"key_missing", "key_invalid"}
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_session_has_a_rate_of_its_own(settings: Settings, store: Store, sign_in: SignIn) -> None:
    limited = settings.model_copy(update={"key_rate": "3 per hour"})
    first = sign_in(Role.VIEWER).cookies["mg_session"]
    second = sign_in(Role.OPERATOR).cookies["mg_session"]
    with serving(limited) as url, httpx.Client(base_url=url, timeout=20) as client:

        def ask(cookie: str) -> int:
            return client.get("/v1/gates", headers={"Cookie": cookie}).status_code

        spelt = [f"mg_session={first}", f"a=b; mg_session={first}", f'mg_session="{first}"; c']
        assert [ask(cookie) for cookie in spelt] == [200, 200, 200]
        assert [ask(cookie) for cookie in spelt] == [429, 429, 429]
        assert ask(f"mg_session={second}") == 200


def test_an_address_of_ipv6_counts_as_its_network(settings: Settings, store: Store) -> None:
    behind = settings.model_copy(
        update={"address_rate": "2 per hour", "trusted_proxies": ("127.0.0.1",)}
    )
    with serving(behind) as url, httpx.Client(base_url=url, timeout=20) as client:

        def ask(address: str) -> int:
            return client.get("/p/x", headers={"X-Forwarded-For": address}).status_code

        assert [ask(f"2001:db8::{n}") for n in range(3)] == [200, 200, 429]
        assert ask("2001:db8:0:1::1") == 200
        assert [ask("::ffff:192.0.2.7"), ask("192.0.2.7"), ask("::ffff:c000:207")] == [
            200,
            200,
            429,
        ]


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unix:", "unix:"),
        ("", ""),
    ],
)
def test_what_an_address_counts_as(address: str, counted: str) -> None:
    assert network(address) == counted


def test_sign_ins_at_one_name_count_together_however_it_is_written(
    login: Login, make_account: Callable[..., StoredAccount]
) -> None:
    make_account("Ana Ibáñez")
    client = login(None)
    names = ["Ana Ibáñez", "ana ibáñez", "ANA IBÁÑEZ", " Ana Ibáñez ", "Ana Iba\u0301n\u0303ez"]
    tries = [
        client.post("/v1/sessions", json={"name": name, "password": "wrong"}) for name in names * 3
    ]
    assert [answer.status_code for answer in tries].count(401) == 10
    assert tries[-1].status_code == 429


def test_a_forwarded_address_is_believed_from_trusted_proxies_alone(
    settings: Settings, store: Store
) -> None:
    limited = settings.model_copy(update={"address_rate": "2 per hour"})
    for proxies, expected in (((), [200, 200, 429]), (("127.0.0.1",), [200, 200, 200])):
        behind = limited.model_copy(update={"trusted_proxies": proxies})
        with serving(behind) as url, httpx.Client(base_url=url, timeout=20) as client:
            answers = [
                client.get("/p/x", headers={"X-Forwarded-For": f"192.0.2.{n}"}) for n in range(3)
            ]
            assert [answer.status_code for answer in answers] == expected


def test_no_other_site_may_call_unless_it_is_named(
    settings: Settings, store: Store, login: Login
) -> None:
    asked = {"Origin": SITE, "Access-Control-Request-Method": "POST"}
    closed = login(None).options("/v1/events", headers=asked)
    assert "access-control-allow-origin" not in closed.headers

    named = settings.model_copy(update={"cors_origins": (SITE,)})
    with serving(named) as url, httpx.Client(base_url=url, timeout=20) as client:
        let_in = client.options("/v1/events", headers=asked)
        assert let_in.headers["access-control-allow-origin"] == SITE
        assert "access-control-allow-credentials" not in let_in.headers
        stranger = client.options("/v1/events", headers={**asked, "Origin": f"{SITE}.evil.example"})
        assert "access-control-allow-origin" not in stranger.headers
        refused = client.get("/v1/events", headers={"Origin": SITE})
        assert refused.status_code == 401
        assert refused.headers["access-control-allow-origin"] == SITE


def test_every_answer_keeps_browsers_from_harm(login: Login) -> None:
    client = login(None)
    for path in ("/healthz", "/v1/events", "/nowhere", "/p/x"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "strict-transport-security" not in headers


def test_a_preview_may_be_larger_than_other_bodies(login: Login) -> None:
    device = login(Role.DEVICE)
    large = b"x" * (100 * 1024)
    assert device.post("/v1/events", content=large).status_code == 413
    assert device.put("/v1/devices/me/preview", content=large).status_code != 413
    too_large = device.put("/v1/devices/me/preview", content=large * 3)
    assert code_of(too_large) == "body_too_large"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("cors_origins", "*"),
        ("cors_origins", "desk.example.org"),
        ("cors_origins", "https://desk.example.org/"),
        ("cors_origins", "https://desk.example.org, null"),
        ("trusted_proxies", "proxy.local"),
        ("trusted_proxies", "*"),
        ("key_rate", "many"),
        ("address_rate", "0.5 per blink"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused(variable: str, value: str) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate({variable: value})


def test_lists_are_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUD_CORS_ORIGINS", f"{SITE}, http://127.0.0.1:8501")
    monkeypatch.setenv("CLOUD_TRUSTED_PROXIES", "10.0.0.0/8,::1")
    monkeypatch.setenv("CLOUD_KEY_RATE", "")
    settings = Settings()
    assert settings.cors_origins == (SITE, "http://127.0.0.1:8501")
    assert settings.trusted_proxies == ("10.0.0.0/8", "::1")
    assert settings.key_rate is None


def test_a_gate_is_named_in_any_script(login: Login) -> None:
    operator = login(Role.OPERATOR)
    name = "入口 Übergang 🎭"
    assert operator.post("/v1/gates", json={"id": "u", "name": name}).status_code == 201
    assert name in [gate["name"] for gate in operator.get("/v1/gates").json()]
    assert GATE in [gate["id"] for gate in operator.get("/v1/gates").json()]


def test_counters_of_windows_that_are_over_are_forgotten() -> None:
    clock = [1000.0]
    counters = Counters(lambda: clock[0])
    assert [counters.incr("a", 60) for _ in range(3)] == [1, 2, 3]
    clock[0] += 59
    assert counters.incr("a", 60) == 4
    assert counters.incr("b", 1) == 1
    clock[0] += 11
    assert counters.incr("c", 60) == 1
    assert set(counters.storage) == {"c"}
    assert counters.incr("a", 60) == 1
