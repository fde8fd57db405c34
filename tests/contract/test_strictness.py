"""A reader of the wire refuses text that only looks like a number, a boolean or a time."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from cloud import contract
from cloud.contract import Event, GateChange, Heartbeat
from cloud.contract.base import Boolean, Integer, UtcTime, Uuid, Wire

EVENT: dict[str, Any] = {
    "id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "label": "with_mask",
    "confidence": 0.97,
    "votes": 9,
    "first_seen_at": "2026-03-02T08:15:29.120Z",
    "occurred_at": "2026-03-02T08:15:30.020Z",
}

NO_INTEGERS = ["9", "9.0", "", True, False, 9.5, None, [9], {"a": 9}]
NO_NUMBERS = ["0.9", "NaN", True, False, None, [0.9], float("nan"), float("inf")]
NO_BOOLEANS = ["true", "yes", "on", "1", 1, 0, 1.0, None, []]
NO_TIMES = [
    1772439330,
    1772439330.5,
    "1772439330",
    "1772439330.5",
    "2026-03-02",
    "2026-03-02T08:15:30",
    "2026-03-02 08:15:30Z",
    "2026-03-02T08:15Z",
    "2026-03-02T08:15:30 Z",
    "2026-03-02T08:15:30+0100",
    "2026-03-02T08:15:30+01",
    "20260302T081530Z",
    "2026-02-30T08:15:30Z",
    "2026-03-02T25:15:30Z",
    "0001-01-01T00:00:00+05:00",
    "٢٠٢٦-03-02T08:15:30Z",
    " 2026-03-02T08:15:30Z",
    "2026-03-02T08:15:30Z\n",
    True,
    None,
    "",
]
NO_UUIDS = [
    "01890a5dac96774bbcceb302099a8057",
    "{01890a5d-ac96-774b-bcce-b302099a8057}",
    "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057",
    "01890a5d-ac96-774b-bcce-b302099a805",
    7,
    None,
]

OF_A_FIELD = [
    *(("votes", value) for value in NO_INTEGERS),
    *(("confidence", value) for value in NO_NUMBERS),
    *(("occurred_at", value) for value in NO_TIMES),
    *(("first_seen_at", value) for value in NO_TIMES),
    *(("id", value) for value in NO_UUIDS),
    *(("label", value) for value in [1, "WITH_MASK", "with_mask ", None]),
    *(("models", value) for value in [[], "x", {"classifier": 1}]),
]


@pytest.mark.parametrize(("field", "value"), OF_A_FIELD, ids=ascii)
def test_a_value_of_another_kind_is_refused_and_the_field_named(field: str, value: object) -> None:
    sent = {**EVENT, field: value}
    with pytest.raises(ValidationError) as as_objects:
        Event.model_validate(sent)
    with pytest.raises(ValidationError) as as_text:
        Event.model_validate_json(json.dumps(sent))
    for caught in (as_objects, as_text):
        assert {str(each["loc"][0]) for each in caught.value.errors()} == {field}


@pytest.mark.parametrize("value", NO_BOOLEANS, ids=ascii)
def test_only_true_and_false_are_true_or_false(value: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Boolean).validate_python(value)
    if value is not None:
        with pytest.raises(ValidationError):
            GateChange.model_validate({"closed": value})


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-02T08:15:30Z", "2026-03-02T08:15:30Z"),
        ("2026-03-02t08:15:30z", "2026-03-02T08:15:30Z"),
        ("2026-03-02T09:15:30.25+01:00", "2026-03-02T08:15:30.250000Z"),
        ("2026-03-02T08:15:30.123456789Z", "2026-03-02T08:15:30.123456Z"),
        ("2026-03-02T08:15:30-00:00", "2026-03-02T08:15:30Z"),
    ],
)
def test_every_time_of_rfc_3339_is_taken(text: str, moment: str) -> None:
    adapter = TypeAdapter[Any](UtcTime)
    assert adapter.dump_json(adapter.validate_json(f'"{text}"')).decode() == f'"{moment}"'


def test_a_whole_number_may_be_written_with_a_fraction_of_zero() -> None:
    assert Event.model_validate({**EVENT, "votes": 9.0}).votes == 9
    assert Event.model_validate({**EVENT, "confidence": 1}).confidence == 1.0


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_only_finite_numbers_are_read(word: str) -> None:
    beat = f"""{{"sent_at": "2026-03-02T08:15:30Z", "camera": "live", "fps": {word},
        "latency_ms": 1, "outbox_depth": 0, "version": ""}}"""
    with pytest.raises(ValidationError, match="fps"):
        Heartbeat.model_validate_json(beat)


def wire_models() -> list[type[BaseModel]]:
    def below(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
        for child in model.__subclasses__():
            yield child
            yield from below(child)

    return sorted(
        (model for model in below(Wire) if model.__module__.startswith("cloud.")),
        key=lambda model: model.__qualname__,
    )


def test_every_model_of_the_contract_is_looked_at() -> None:
    found = set(wire_models())
    for name in contract.__all__:
        named = getattr(contract, name)
        if isinstance(named, type) and issubclass(named, BaseModel):
            assert named in found


STRICT = {
    name: TypeAdapter[Any](kind).core_schema
    for name, kind in {"int": Integer, "uuid": Uuid, "datetime": UtcTime}.items()
}


def lax(schema: Any, *, guarded: bool = False) -> Iterator[str]:
    """Yield the types of the inner schemas that accept text in the place of their type."""
    if isinstance(schema, list | tuple):
        for each in schema:
            yield from lax(each)
        return
    if not isinstance(schema, dict):
        return
    said = schema.get("type")  # a table of fields may have one of this name
    kind = said if isinstance(said, str) else ""
    if kind in {"float", "bool"} and not schema.get("strict"):
        yield kind
    if kind in STRICT and not guarded:
        yield kind
    before = kind == "function-before"
    for name, inner in schema.items():
        if name in {"metadata", "serialization"}:
            continue
        # A guard of ours looks at the value before the lax schema that it stands around.
        yield from lax(inner, guarded=before or (guarded and kind == "function-after"))


@pytest.mark.parametrize("model", wire_models(), ids=lambda model: model.__qualname__)
def test_no_field_takes_what_only_looks_like_its_kind(model: type[BaseModel]) -> None:
    assert list(lax(model.__pydantic_core_schema__)) == [], (
        "use Integer, Number, Boolean, Uuid and UtcTime of cloud.contract.base"
    )


def test_the_check_of_the_kinds_finds_lax_ones() -> None:
    class Lax(BaseModel):
        votes: int
        confidence: float
        closed: bool = False

    assert sorted(lax(Lax.__pydantic_core_schema__)) == ["bool", "float", "int"]


def test_the_schema_says_what_is_taken() -> None:
    properties = Event.model_json_schema()["properties"]
    assert properties["votes"]["type"] == "integer"
    assert properties["confidence"]["type"] == "number"
    assert properties["occurred_at"]["format"] == "date-time"
    assert properties["id"]["format"] == "uuid"
    assert GateChange.model_json_schema()["properties"]["closed"]["anyOf"][0] == {"type": "boolean"}
