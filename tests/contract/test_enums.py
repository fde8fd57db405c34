"""Every table of words over an enum of the contract knows each of its members."""

import ast
from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import cloud.contract

ROOT = Path(__file__).resolve().parents[2]

ENUMS = {
    name: each
    for name, each in vars(cloud.contract).items()
    if isinstance(each, type) and issubclass(each, StrEnum)
}

PARTIAL = {
    ("cloud/gatekeeping/decision.py", "Label"): "a mask that is worn well is not refused",
    ("dashboard/client.py", "ProblemCode"): "the others share one mend",
}
"""Tables that leave members out, and the reason of each."""


class Table(NamedTuple):
    """A dict whose keys are members of one enum."""

    place: str
    line: int
    enum: str
    members: frozenset[str]


def tables(source: str, place: str) -> Iterator[Table]:
    """Yield the dicts in a source whose keys are all members of one enum of the contract."""
    tree = ast.parse(source)
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cloud.contract")
        for alias in node.names
    } & set(ENUMS)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Dict) or not node.keys:
            continue
        keys = [
            (key.value.id, key.attr)
            for key in node.keys
            if isinstance(key, ast.Attribute) and isinstance(key.value, ast.Name)
        ]
        of = {name for name, _ in keys}
        if len(keys) == len(node.keys) and len(of) == 1 and of <= imported:
            yield Table(place, node.lineno, of.pop(), frozenset(member for _, member in keys))


@cache
def all_tables() -> list[Table]:
    return [
        table
        for folder in ("cloud", "dashboard", "demo", "edge")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for table in tables(path.read_text(), str(path.relative_to(ROOT)))
    ]


def test_tables_are_found_where_people_read_them() -> None:
    found = {(table.place.split("/")[0], table.enum) for table in all_tables()}
    assert found >= {
        ("dashboard", "Access"),
        ("dashboard", "Channel"),
        ("dashboard", "DeliveryStatus"),
        ("dashboard", "Label"),
        ("dashboard", "RefusalReason"),
        ("edge", "Label"),
        ("cloud", "Language"),
        ("cloud", "Outcome"),
    }


@pytest.mark.parametrize("table", all_tables(), ids=lambda table: f"{table.place}:{table.line}")
def test_a_table_knows_every_member(table: Table) -> None:
    missing = set(ENUMS[table.enum].__members__) - table.members
    if (table.place, table.enum) in PARTIAL:
        assert missing, "it is total by now: take it out of PARTIAL"
    else:
        assert not missing, f"{table.place}:{table.line} has no entry for {sorted(missing)}"


def test_a_table_that_lacks_a_member_is_found() -> None:
    source = "from cloud.contract import Channel\nNAMES = {Channel.TELEGRAM: 'chat'}"
    (table,) = tables(source, "here.py")
    assert set(ENUMS[table.enum].__members__) - table.members == {"EMAIL", "WEBHOOK"}
