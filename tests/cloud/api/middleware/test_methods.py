"""Methods: what 405 says, HEAD, OPTIONS, and addresses with a slash too many."""

import re

import httpx
import pytest

from cloud.api.app import create_app
from cloud.contract import Role
from cloud.settings import Settings
from cloud.store import Store
from tests.cloud.api.routes.test_events import code_of
from tests.cloud.conftest import GATE, Login, serving

DESCRIBED = create_app(Settings()).openapi()["paths"]
ALL = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


def address_of(path: str) -> str:
    known = {"gate_id": GATE, "chat": "1", "token": "7Kq2mXw9RtB4z"}
    unknown = "01890a5d-ac96-774b-bcce-b302099a8057"
    return re.sub(r"{(\w+)}", lambda found: known.get(found[1], unknown), path)


def expected(path: str) -> set[str]:
    methods = {way.upper() for way in DESCRIBED[path]} | {"OPTIONS"}
    return methods | ({"HEAD"} if "GET" in methods else set())


@pytest.mark.parametrize("path", sorted(DESCRIBED))
def test_405_names_every_method_of_the_resource(login: Login, path: str) -> None:
    admin = login(Role.ADMIN)
    for method in sorted((ALL | {"TRACE", "PROPFIND"}) - expected(path)):
        answer = admin.request(method, address_of(path))
        assert (method, answer.status_code) == (method, 405)
        assert set(answer.headers["allow"].split(", ")) == expected(path)
        if method != "HEAD":
            assert code_of(answer) == "method_not_allowed"


@pytest.mark.parametrize("path", sorted(DESCRIBED))
def test_options_names_every_method_of_the_resource(login: Login, path: str) -> None:
    answer = login(None).options(address_of(path))
    assert answer.status_code == 204
    assert set(answer.headers["allow"].split(", ")) == expected(path)
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("path", sorted(p for p, ways in DESCRIBED.items() if "get" in ways))
def test_head_is_answered_as_get_without_a_body(login: Login, path: str) -> None:
    admin = login(Role.ADMIN)
    head = admin.head(address_of(path), timeout=60)
    assert head.content == b""
    if "stream" in path or "preview" in path:
        assert head.status_code in {200, 404}
        return
    got = admin.get(address_of(path), timeout=60)
    assert head.status_code == got.status_code
    assert head.headers["content-type"] == got.headers["content-type"]


def test_documentation_is_a_resource_too(login: Login) -> None:
    client = login(None)
    for path in ("/openapi.json", "/docs", "/redoc"):
        refused = client.post(path)
        assert refused.status_code == 405
        assert set(refused.headers["allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


def test_there_is_no_method_of_nothing(login: Login) -> None:
    for method in sorted(ALL - {"HEAD"}):
        answer = login(None).request(method, "/v1/nothing")
        assert answer.status_code == 404
        assert "allow" not in answer.headers


@pytest.mark.parametrize("proxied", [False, True])
def test_no_address_leads_elsewhere(settings: Settings, store: Store, proxied: bool) -> None:
    behind = settings.model_copy(
        update={
            "public_url": "https://gate.example.org/base",
            "trusted_proxies": ("127.0.0.1",) if proxied else (),
        }
    )
    with serving(behind) as url, httpx.Client(base_url=url, timeout=60) as client:
        for path in DESCRIBED:
            address = address_of(path)
            for wrong in (f"{address}/", f"/{address}", f"{address}//"):
                answer = client.get(
                    f"{url}{wrong}", headers={"X-Forwarded-Proto": "https", "Host": "gate"}
                )
                assert not answer.is_redirect, wrong
                assert "location" not in answer.headers
                if path != "/p/{token}":
                    assert answer.status_code == 404, (wrong, answer.text)


def test_other_sites_may_ask_what_is_allowed_where_they_are_named(
    settings: Settings, store: Store
) -> None:
    site = "https://desk.example.org"
    named = settings.model_copy(update={"cors_origins": (site,)})
    with serving(named) as url, httpx.Client(base_url=url, timeout=60) as client:
        asked = {"Origin": site, "Access-Control-Request-Method": "PATCH"}
        preflight = client.options(f"/v1/gates/{GATE}", headers=asked)
        assert preflight.status_code == 200
        assert "PATCH" in preflight.headers["access-control-allow-methods"]
        plain = client.options(f"/v1/gates/{GATE}", headers={"Origin": site})
        assert plain.status_code == 204
        assert plain.headers["access-control-allow-origin"] == site
