"""Routes of the door: called past FastAPI's own, and known to it all the same."""

import httpx
from fastapi.routing import APIRoute

from cloud.api import events, passes
from cloud.api.app import create_app
from cloud.api.door import DoorRoute
from cloud.contract import Role
from cloud.settings import Settings
from tests.cloud.api.test_events import code_of
from tests.cloud.conftest import Login


def test_each_is_documented_by_a_route_of_fastapi_with_its_function() -> None:
    doors = [route for route in create_app(Settings()).routes if isinstance(route, DoorRoute)]
    documented = {
        route.path
        for router in (events.router, passes.router)
        for route in router.routes
        if isinstance(route, APIRoute) and route.methods == {"POST"}
    }
    assert {"/v1/events", "/v1/passes/redeem"} == {route.path for route in doors} <= documented


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
