"""A benchmark's rows survive the way to a file and back."""

import json
from pathlib import Path

from benchmarks.rows import Row, as_table, read, write

ROWS = {"api events": Row(1200.0, "events/s", "bare route: 2,000/s", 0.6)}


def test_rows_are_read_as_written(tmp_path: Path) -> None:
    write(ROWS, tmp_path / "deep" / "bench.json")
    assert read(tmp_path / "deep" / "bench.json") == ROWS


def test_the_file_has_the_promised_form(tmp_path: Path) -> None:
    write(ROWS, tmp_path / "bench.json")
    kept = json.loads((tmp_path / "bench.json").read_text())
    assert kept == {
        "api events": {
            "value": 1200.0,
            "unit": "events/s",
            "against": "bare route: 2,000/s",
            "ratio": 0.6,
        }
    }


def test_the_table_has_a_line_for_each_row() -> None:
    assert as_table(ROWS).row_count == 1
