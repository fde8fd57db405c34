"""A benchmark's rows survive the way to a file and back."""

import json
from pathlib import Path

from benchmarks.rows import Row, as_table, read, write
from edge import bench as edge_bench

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
            "processor_ms": 0.0,
            "processor_ratio": 0.0,
            "precision": "",
        }
    }


def test_the_table_has_a_line_for_each_row() -> None:
    assert as_table(ROWS).row_count == 1


def test_rows_that_the_edge_measured_of_itself_are_read(tmp_path: Path) -> None:
    measured = {"edge_pipeline": edge_bench.Row(60.0, "frames/s", "models", 0.9, 9.0, 0.9, "f32")}
    edge_bench.write(measured, tmp_path / "edge.json")
    assert read(tmp_path / "edge.json")["edge_pipeline"].processor_ms == 9.0
