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
        ratio: value divided by the compared figure, both from the same run; for processor time, the
            compared figure divided by the value, so that more is better.
        processor_ms: milliseconds of processor time for a frame, of a row of the edge.
        processor_ratio: the compared figure's processor time divided by this one's.
        precision: in which the device computed, of a row of the edge.
    """

    value: float
    unit: str
    against: str
    ratio: float
    processor_ms: float = 0.0
    processor_ratio: float = 0.0
    precision: str = ""


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
