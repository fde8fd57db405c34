"""The client against the OpenAPI document: each operation, its parameters, body and answer."""

import inspect
import re
import types
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from keyword import iskeyword
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import httpx
import pytest
from pydantic import BaseModel

from cloud.api.app import create_app
from cloud.client import Client, Page, Refused
from cloud.settings import Settings

NOT_OFFERED = {
    "show_pass_page": "a page for people's phones",
    "stream_preview": "pictures for a browser's <img>; get_preview reads one",
}
"""Operations without a method, and why."""

BYTES = {"image/jpeg", "application/zip"}
"""Media types of bodies and answers that are bytes in the client."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What the document says of one operation."""

    name: str
    method: str
    path: str
    said: dict[str, Any]

    @property
    def parameters(self) -> dict[str, set[str]]:
        """Names by place: path, query and header."""
        places: dict[str, set[str]] = {"path": set(), "query": set(), "header": set()}
        for each in self.said.get("parameters", []):
            places[each["in"]].add(each["name"] + "_" * iskeyword(each["name"]))
        return places

    @property
    def required(self) -> set[str]:
        return {
            each["name"]
            for each in self.said.get("parameters", [])
            if each["in"] == "query" and each.get("required")
        }

    @property
    def body(self) -> str | None:
        """The name of the body's schema, or its media type where it is not JSON."""
        content = self.said.get("requestBody", {}).get("content", {})
        for media_type, kind in content.items():
            schema = kind["schema"]
            return _name(schema) if media_type == "application/json" else str(media_type)
        return None

    @property
    def answer(self) -> str:
        """The name of the answer's schema: `Page[Item]` for lists, a media type for files."""
        good = next(said for code, said in sorted(self.said["responses"].items()) if code < "300")
        content = good.get("content", {})
        if "application/json" not in content:
            return next(iter(content), "nothing")
        schema = content["application/json"].get("schema", {})
        if schema.get("type") == "array":
            return f"Page[{_name(schema['items'])}]"
        name = _name(schema)
        parts = SCHEMAS.get(name, {}).get("properties", {})
        if {"items", "next"} == set(parts):
            return f"Page[{_name(parts['items']['items'])}]"
        return name or "nothing"


def _name(schema: dict[str, Any]) -> str:
    """The model behind a schema; of several, that which is no null."""
    for each in [schema, *schema.get("anyOf", [])]:
        if "$ref" in each:
            return str(each["$ref"]).rsplit("/", 1)[1]
    return ""


DOCUMENT = create_app(Settings()).openapi()
SCHEMAS = DOCUMENT["components"]["schemas"]
OPERATIONS = [
    Operation(said["operationId"], method.upper(), path, said)
    for path, methods in DOCUMENT["paths"].items()
    for method, said in methods.items()
]
OFFERED = [each for each in OPERATIONS if hasattr(Client, each.name)]


def names(each: object) -> str:
    return each.name if isinstance(each, Operation) else str(each)


def test_every_operation_has_a_method() -> None:
    known = {each.name for each in OFFERED} | set(NOT_OFFERED)
    missing = {each.name for each in OPERATIONS} - known
    assert not missing, (
        f"cloud.client has no method for {sorted(missing)}: add each to its noun's file in "
        "cloud/client/, called as its operationId, or to NOT_OFFERED with the reason"
    )


def test_nothing_is_excused_that_is_there() -> None:
    offered = {each.name for each in OFFERED}
    assert not offered & set(NOT_OFFERED)
    assert set(NOT_OFFERED) <= {each.name for each in OPERATIONS}


def test_every_public_method_is_an_operation_or_reads_one_on() -> None:
    others = {"close", "use_key", "now", "clock_offset", "follow_events"}
    operations = {each.name for each in OPERATIONS}
    for name, _ in inspect.getmembers(Client, callable):
        if name.startswith("_") or name in others | operations:
            continue
        assert name.startswith("iter_"), f"{name} is no operation of the API"
        assert name.replace("iter_", "list_", 1) in operations


def test_a_reader_of_all_pages_takes_what_its_list_takes() -> None:
    of_pages = {"before", "after", "limit"}
    for name in dir(Client):
        if name.startswith("iter_"):
            listed = inspect.signature(getattr(Client, name.replace("iter_", "list_", 1)))
            every = inspect.signature(getattr(Client, name))
            assert set(every.parameters) == set(listed.parameters) - of_pages, name


@pytest.mark.parametrize("operation", OFFERED, ids=names)
def test_a_method_takes_the_operations_parameters(operation: Operation) -> None:
    signature = inspect.signature(getattr(Client, operation.name))
    taken = {name for name in signature.parameters if name != "self"}
    body = {name for name in taken if _is_body(operation.name, name)}
    places = operation.parameters
    headers = {each.replace("-", "_") for each in places["header"]}
    named = places["path"] | places["query"] | headers
    assert taken - body == named, (
        f"the client's {operation.name} (in cloud/client/) must take {sorted(named)}"
    )
    for name in places["query"]:
        left_out = signature.parameters[name].default is not inspect.Parameter.empty
        assert left_out is (name not in operation.required), name
        assert signature.parameters[name].kind is inspect.Parameter.KEYWORD_ONLY
    if operation.body is None:
        assert not body
    else:
        (name,) = body
        kind = get_type_hints(getattr(Client, operation.name))[name]
        assert operation.body in {kind.__name__, *(BYTES if kind is bytes else ())}


def _is_body(method: str, parameter: str) -> bool:
    kind = get_type_hints(getattr(Client, method))[parameter]
    return kind is bytes or (isinstance(kind, type) and issubclass(kind, BaseModel))


@pytest.mark.parametrize("operation", OFFERED, ids=names)
def test_a_method_gives_the_operations_answer(operation: Operation) -> None:
    kind = get_type_hints(getattr(Client, operation.name))["return"]
    answer = operation.answer
    if get_origin(kind) is Page:
        assert answer == f"Page[{get_args(kind)[0].__name__}]"
    elif kind is type(None):
        assert answer == "nothing"
    elif kind is bytes:
        assert answer.startswith("image/") or answer in BYTES
    elif kind is str:
        assert answer.startswith("text/plain")
    elif get_origin(kind) is Iterator:
        assert answer in {"text/event-stream", "text/csv"}
    else:
        assert answer == kind.__name__


SAMPLES: dict[type, Any] = {
    str: "x1",
    bool: True,
    int: 7,
    float: 1.5,
    datetime: datetime(2026, 3, 2, 8, 15, 30, tzinfo=UTC),
    UUID: UUID("01890a5d-ac96-774b-bcce-b302099a8057"),
    bytes: b"\xff\xd8a picture",
}


def sample(kind: Any) -> Any:
    """A value of a kind, so that every parameter is sent."""
    if get_origin(kind) is Literal:
        return get_args(kind)[0]
    if get_origin(kind) in (Union, types.UnionType):
        return sample(next(part for part in get_args(kind) if part is not type(None)))
    if issubclass(kind, StrEnum):
        return next(iter(kind))
    if issubclass(kind, BaseModel):
        return kind.model_construct()
    return SAMPLES[kind]


@pytest.mark.parametrize("operation", OFFERED, ids=names)
def test_a_method_sends_the_operations_request(operation: Operation) -> None:
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(418, json={"title": "No", "status": 418, "code": "teapot"})

    method = getattr(Client, operation.name)
    kinds = get_type_hints(method)
    given = {
        name: sample(kinds[name]) for name in inspect.signature(method).parameters if name != "self"
    }
    with (
        Client("http://cloud", "mg_key", transport=httpx.MockTransport(answer)) as client,
        pytest.raises(Refused) as caught,
    ):
        for _ in method(client, **given) or ():
            pass
    assert (caught.value.code, caught.value.status) == ("teapot", 418)
    (request,) = sent
    assert request.method == operation.method
    pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(operation.path))
    assert re.fullmatch(pattern, request.url.path)
    sent_names = {name + "_" * iskeyword(name) for name in request.url.params}
    assert sent_names == operation.parameters["query"]
    assert operation.parameters["header"] <= set(request.headers)
    assert request.headers["Authorization"] == "Bearer mg_key"
    assert request.headers["User-Agent"] == "maskgate-client"
    media_types = set(operation.said.get("requestBody", {}).get("content", {}))
    assert {request.headers[n] for n in request.headers if n == "content-type"} == media_types
