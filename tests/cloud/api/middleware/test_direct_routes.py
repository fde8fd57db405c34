"""Routes of the door: called past FastAPI's own, and known to it all the same."""

import httpx
import pytest
from fastapi.routing import APIRoute

from cloud.api import app
from cloud.api.app import DIRECT_ROUTES
from cloud.api.routes import events, passes
from cloud.contract import Role
from cloud.settings import Settings
from tests.cloud.api.routes.test_events import code_of
from tests.cloud.conftest import Login, serving


def test_each_is_a_route_of_fastapi_too_with_the_same_function() -> None:
    routes = {
        route.path: route.endpoint
        for router in (events.router, passes.router)
        for route in router.routes
        if isinstance(route, APIRoute) and route.methods == {"POST"}
    }
    assert DIRECT_ROUTES.items() <= routes.items()


def test_errors_are_answered_as_by_fastapi(
    login: Login, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = login(Role.DEVICE)
    translates_redis_errors = device.post("/v1/events", content=b"{")
    monkeypatch.setattr(app, "DIRECT_ROUTES", {})
    with serving(settings) as url:
        by_fastapi = httpx.post(f"{url}/v1/events", content=b"{", headers=device.headers)
    assert translates_redis_errors.status_code == by_fastapi.status_code == 422
    assert translates_redis_errors.json() == by_fastapi.json()
    ours, theirs = (set(answer.headers) for answer in (translates_redis_errors, by_fastapi))
    assert ours == theirs


def test_other_methods_at_their_addresses_are_answered_as_ever(login: Login) -> None:
    viewer = login(Role.VIEWER)
    assert viewer.get("/v1/events").status_code == 200
    refused = viewer.delete("/v1/events")
    assert refused.status_code == 405
    assert code_of(refused) == "method_not_allowed"


def test_they_are_counted_under_their_pattern(device: httpx.Client) -> None:
    assert device.post("/v1/events", content=b"{}").status_code == 422
    counted = device.get("/metrics").text
    sample = 'maskgate_http_request_duration_seconds_count{method="POST",route="/v1/events"'
    assert sample in counted
