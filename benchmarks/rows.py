"""A row of a benchmark, for people (a table) and for machines (JSON)."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table


@dataclass(frozen=True, slots=True)
class Row:
    """One measured figure.

    Args:
        value: the figure, in `unit`.
        against: what it is compared with, in words.
        ratio: value divided by the compared figure, both from the same run.
    """

    value: float
    unit: str
    against: str
    ratio: float


def as_table(rows: Mapping[str, Row]) -> Table:
    """The rows as a person reads them."""
    table = Table("row", "value", "unit", "against", "ratio", title="Benchmarks on this machine")
    for name, row in rows.items():
        table.add_row(name, f"{row.value:,.2f}", row.unit, row.against, f"{row.ratio:.2f}")
    return table


def read(path: Path) -> dict[str, Row]:
    """Rows from a file that `write`, or one of the applications, made."""
    return {name: Row(**row) for name, row in json.loads(path.read_text()).items()}


def write(rows: Mapping[str, Row], path: Path) -> None:
    """Write the rows whole or not at all: {row: {"value", "unit", "against", "ratio"}}."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps({name: asdict(row) for name, row in rows.items()}, indent=2))
    os.replace(unfinished, path)  # noqa: PTH105  atomic on every platform
