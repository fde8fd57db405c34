"""Methods of resources: which there are at an address, HEAD and OPTIONS among them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import Response
from starlette.routing import Route, compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud.api.problems import problem
from cloud.contract import ProblemCode

_DESCRIBED: Final = frozenset({"get", "post", "put", "patch", "delete"})


@dataclass(frozen=True, slots=True)
class Resource:
    """What is at an address.

    Args:
        path: its pattern, under which requests are counted.
        methods: what it takes.
    """

    path: str
    methods: frozenset[str]

    @property
    def allow(self) -> str:
        """The value of the header Allow (RFC 9110 section 10.2.1)."""
        return ", ".join(sorted(self.methods))


class Resources:
    """All resources of the API, by their addresses.

    Args:
        document: the OpenAPI document.
        others: routes that it does not tell of.
    """

    def __init__(self, document: Mapping[str, Any], others: Iterable[object]) -> None:
        found = {path: {*ways} & _DESCRIBED for path, ways in document["paths"].items()}
        for route in others:
            if isinstance(route, Route):
                found[route.path] = {method.lower() for method in route.methods or ()}
        self._fixed: dict[str, Resource] = {}
        self._patterns: list[tuple[re.Pattern[str], Resource]] = []
        for path, ways in found.items():
            methods = {way.upper() for way in ways} | {"OPTIONS"}
            if "GET" in methods:
                methods.add("HEAD")
            resource = Resource(path, frozenset(methods))
            if "{" in path:
                self._patterns.append((compile_path(path)[0], resource))
            else:
                self._fixed[path] = resource

    def fixed(self, path: str) -> Resource | None:
        """Return the resource whose address is `path` and nothing else, or None."""
        return self._fixed.get(path)

    def at(self, path: str) -> Resource | None:
        """Return the resource at an address, or None."""
        if (fixed := self._fixed.get(path)) is not None:
            return fixed
        for pattern, resource in self._patterns:
            if pattern.match(path):
                return resource
        return None


class Methods:
    """Answers HEAD as GET without its body, OPTIONS, and methods that a resource does not take."""

    def __init__(self, app: ASGIApp, resources: Resources) -> None:
        self._app = app
        self._resources = resources

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method, path = scope["method"], scope["path"]
        resource = self._resources.fixed(path)
        if resource is None and method not in {"GET", "POST"}:
            resource = self._resources.at(path)
        if resource is None:
            await self._app(scope, receive, send)
        elif method not in resource.methods:
            scope["route"] = resource
            await problem(
                ProblemCode.METHOD_NOT_ALLOWED,
                f"this address takes {resource.allow}",
                headers={"Allow": resource.allow},
            )(scope, receive, send)
        elif method == "OPTIONS":
            scope["route"] = resource
            answer = Response(status_code=204, headers={"Allow": resource.allow})
            await answer(scope, receive, send)
        elif method == "HEAD":
            await self._head(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _head(self, scope: Scope, receive: Receive, send: Send) -> None:
        got = {**scope, "method": "GET"}
        ended = False

        async def without_body(message: Message) -> None:
            nonlocal ended
            if message["type"] == "http.response.start":
                await send(message)
            elif not ended:
                ended = True  # a stream has no end of its own: with this, its client is gone
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        try:
            await self._app(got, receive, without_body)
        finally:
            if "route" in got:
                scope["route"] = got["route"]
