"""The app: its routes, what stands around them, and the connection that they share."""

import gc
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from cloud import meters, tracing
from cloud.api.access.dependencies import CSRF_HEADER, session_cookie
from cloud.api.access.roles import ROLES
from cloud.api.metrics import Metrics
from cloud.api.middleware.body_limit import BodyLimit
from cloud.api.middleware.direct_routes import DirectRoutes
from cloud.api.middleware.json_bodies import JsonBodies
from cloud.api.middleware.methods import Methods, Resources
from cloud.api.middleware.observation import Observation
from cloud.api.middleware.rate_limit import RateLimit
from cloud.api.problems import documented, handle
from cloud.api.routes import (
    accounts,
    acknowledgements,
    audit,
    commands,
    deliveries,
    device_logs,
    devices,
    events,
    export,
    gates,
    keys,
    manual_passes,
    models,
    passes,
    people,
    platform,
    previews,
    redemptions,
    screen_stream,
    screens,
    sessions,
    statistics,
    stream,
    subscribers,
)
from cloud.api.store_metrics import StoreMetrics, ask
from cloud.contract import Event, Problem, ProblemCode, RedemptionRequest, Role
from cloud.settings import Settings
from cloud.single_flight import SingleFlight
from cloud.store import AsyncStore, Feed, LongPolls, PreviewStreams, Store

VERSION = "1"

WITHOUT_KEY = frozenset({"enrol_device", "create_session"})
"""Operations under /v1 that take no key: a one-time code is one, and so is a password."""

DESCRIPTION = """Events in, decisions and passes out. Times are RFC 3339 in UTC; errors are
RFC 9457 problem details with a stable `code`; readers ignore fields that they do not know."""

TAGS = {
    "events": "Verdicts as devices post them; read in pages, as a stream, as a file",
    "passes": "The right to enter once: its QR code, its redemption, its end",
    "devices": "Cameras: enrolment by a one-time code, signs of life, revocation",
    "models": "Model packages, and their way to devices",
    "previews": "What a camera sees now, while somebody watches",
    "gates": "Entrances, and who is told of their events",
    "screens": "Pages at doors: pairing, revocation, and what they show",
    "people": "Visitors who wait at a gate, and staff who answer for it",
    "deliveries": "What was to be told to whom, and what became of it",
    "statistics": "What happened, by gate and hour or day",
    "keys": "Who may call what",
    "accounts": "People who sign in",
    "sessions": "Signing in and out",
    "audit": "Who did what, when and why",
    "platform": "For probes, Prometheus and phones",
}

DIRECT_ROUTES = {
    "/v1/events": events.post_event,
    "/v1/passes/redeem": passes.redeem_pass,
}

PREVIEW = "/v1/devices/me/preview"
MODELS = "/v1/models"
OTHER_BODIES = frozenset({PREVIEW, MODELS, *DIRECT_ROUTES})
"""Addresses whose bodies are no JSON, or are read by their routes."""

LOG_BODY_BYTES = 256 * 1024
"""Largest log that a device may send."""

GARBAGE = 20_000
"""Objects that may come to be, net of those that went, before the collector looks for cycles."""

_ALWAYS = documented(
    ProblemCode.MALFORMED_REQUEST,
    ProblemCode.BODY_TOO_LARGE,
    ProblemCode.RATE_LIMITED,
    ProblemCode.STORE_UNAVAILABLE,
)
_WITH_KEY = documented(
    ProblemCode.KEY_MISSING,
    ProblemCode.KEY_INVALID,
    ProblemCode.KEY_REVOKED,
    ProblemCode.KEY_EXPIRED,
    ProblemCode.SESSION_INVALID,
    ProblemCode.CSRF_TOKEN_INVALID,
    ProblemCode.ROLE_FORBIDDEN,
)


def create_app(settings: Settings) -> FastAPI:
    """Return the API. It starts with Redis away, and answers 503 until it is there."""
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.store = Store.open(settings)
        app.state.async_store = AsyncStore.open(settings, app.state.store.batches)
        app.state.feed = Feed(settings.redis_url.get_secret_value(), settings.stream_listeners)
        app.state.long_polls = LongPolls.open(settings)
        app.state.preview_streams = PreviewStreams.open(settings)
        store_metrics = StoreMetrics(
            app.state.store.readings.take,
            offline_after=timedelta(seconds=settings.offline_after_s),
            named=settings.metrics_devices,
        )
        app.state.store_part = SingleFlight(
            partial(ask, app.state.store, store_metrics), meters.MEASURED_WITHIN_S
        )
        # What was loaded to start with stays: the collector need not go through it again and again,
        # nor begin anew with every few requests, whose objects go when their last reference does.
        gc.freeze()
        gc.set_threshold(GARBAGE)
        try:
            yield
        finally:
            await app.state.feed.aclose()
            await app.state.long_polls.close()
            await app.state.preview_streams.close()
            await app.state.async_store.close()
            app.state.store.close()

    app = FastAPI(
        title="Maskgate",
        version=VERSION,
        description=DESCRIPTION,
        openapi_tags=[{"name": name, "description": said} for name, said in TAGS.items()],
        lifespan=lifespan,
        redirect_slashes=False,  # they would lead to http, and past a proxy's own prefix
        generate_unique_id_function=lambda route: route.name,
        telemetry={
            "tracing": tracing.is_on(),
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            # The address of a code's page is a token.
            "exclude": lambda scope: str(scope.get("path", "")).startswith("/p/"),
        },
    )
    app.state.settings = settings
    app.state.metrics = metrics
    app.state.site_reader = screen_stream.SiteReader()
    for noun in (
        stream,  # these two before events, whose /v1/events/{event_id} would take their addresses
        export,
        events,
        acknowledgements,
        passes,
        redemptions,
        devices,
        gates,
        subscribers,
        manual_passes,
        people,
        keys,
        deliveries,
        audit,
        statistics,
        accounts,
        sessions,
        commands,
        previews,
        models,
        device_logs,
        screens,
        screen_stream,
    ):
        app.include_router(noun.router, responses=_ALWAYS)
    app.include_router(platform.router)
    handle(app)
    app.state.resources = Resources(app.openapi(), app.router.routes)
    app.add_middleware(JsonBodies, resources=app.state.resources, others=OTHER_BODIES)
    app.add_middleware(Methods, resources=app.state.resources)
    if not tracing.is_on():
        app.add_middleware(DirectRoutes, endpoints=DIRECT_ROUTES, handlers=app.exception_handlers)
    app.add_middleware(
        BodyLimit,
        limit=settings.max_body_bytes,
        exceptions={
            PREVIEW: settings.preview_max_bytes,
            MODELS: settings.model_max_bytes,
            device_logs.LOG: LOG_BODY_BYTES,
        },
    )
    app.add_middleware(
        RateLimit,
        per_address=settings.address_rate,
        per_key=settings.key_rate,
        cookie=session_cookie(settings),
    )
    if settings.cors_origins:
        # Without credentials: a session's cookie is for the API's own site alone.
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=("GET", "POST", "PUT", "PATCH", "DELETE"),
            allow_headers=("Authorization", "Content-Type", "Last-Event-ID", CSRF_HEADER),
            expose_headers=("Link", "Retry-After", "X-Request-Id"),
        )
    app.add_middleware(Observation, metrics=metrics, over_tls=settings.public_over_tls)
    if settings.trusted_proxies:
        # A forwarded address is believed from these alone.
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(settings.trusted_proxies))
    _publish(app)
    return app


def _publish(app: FastAPI) -> None:
    """Complete the OpenAPI document, and check the role table against it."""
    document = app.openapi()
    for model in (Problem, Event, RedemptionRequest):
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        document["components"]["schemas"].update(
            {**schema.pop("$defs", {}), model.__name__: schema}
        )
    _serve_written(app, document)
    guarded: set[str] = set()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            name = operation["operationId"]
            if "security" in operation:
                guarded.add(name)
                _say_who_may(operation, ROLES.get(name, frozenset()))
            elif path.startswith("/v1") and name not in WITHOUT_KEY:
                raise RuntimeError(f"{name} asks for no key")
    if guarded != set(ROLES):
        raise RuntimeError(f"the role table and the routes differ: {guarded ^ set(ROLES)}")


def _serve_written(app: FastAPI, document: dict[str, Any]) -> None:
    """Serve the OpenAPI document from bytes that are written once.

    Anyone may ask for the document, and writing it takes longer than any other answer without a
    key.
    """
    address = str(app.openapi_url)
    written: list[bytes] = []

    async def openapi(_request: Request) -> Response:
        if not written:
            written.append(json.dumps(document, ensure_ascii=False).encode())
        return Response(written[0], media_type="application/json")

    routes = app.router.routes
    place = next(n for n, route in enumerate(routes) if getattr(route, "path", "") == address)
    routes[place] = Route(address, openapi, include_in_schema=False)


def _say_who_may(operation: dict[str, Any], roles: frozenset[Role]) -> None:
    operation["description"] += f"\n\nRoles: {', '.join(sorted(role.value for role in roles))}."
    for status, answer in _WITH_KEY.items():
        said = operation["responses"].setdefault(str(status), answer)
        for media, content in answer["content"].items():
            said["content"][media]["examples"].update(content["examples"])
