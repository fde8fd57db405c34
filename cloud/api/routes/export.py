"""Events as a file: CSV for spreadsheets, Parquet for analysis, in pages from the store."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from inspect import cleandoc
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from cloud.api.access.dependencies import Caller, Now, StoreDep, readable_gate
from cloud.api.parameters import (
    AccessFilter,
    DeviceFilter,
    GateFilter,
    LabelFilter,
    Since,
    Until,
)
from cloud.api.problems import documented
from cloud.contract import EventRecord, ProblemCode
from cloud.errors import FormatUnavailable

router = APIRouter(prefix="/v1/events/export", tags=["events"])

PAGE: Final = 500
ROWS_A_GROUP: Final = 5_000
"""Rows that a Parquet file's reader takes at a time, and that are in memory while it is made."""

FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What makes a spreadsheet take a cell for a formula (OWASP, "CSV Injection"): such text gets an
apostrophe in front. Full-width signs count too: some spreadsheets read them alike."""

Page = tuple[list[EventRecord], str | None]
Read = Callable[[str | None], Page]


class Format(StrEnum):
    """What kind of file."""

    CSV = "csv"
    PARQUET = "parquet"


MEDIA: Final = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.PARQUET: "application/vnd.apache.parquet",
}

Value = str | int | float | datetime | None
COLUMNS: Final[dict[str, tuple[str, Callable[[EventRecord], Value]]]] = {
    "event_id": ("string", lambda event: str(event.id)),
    "gate": ("string", lambda event: event.gate),
    "device_id": ("string", lambda event: event.device_id),
    "label": ("string", lambda event: event.label.value),
    "confidence": ("float64", lambda event: event.confidence),
    "votes": ("int32", lambda event: event.votes),
    "first_seen_at": ("moment", lambda event: event.first_seen_at),
    "occurred_at": ("moment", lambda event: event.occurred_at),
    "happened_at": ("moment", lambda event: event.happened_at),
    "accepted_at": ("moment", lambda event: event.accepted_at),
    "access": ("string", lambda event: event.access.value),
    "refusal_reason": ("string", lambda e: str(e.refusal.reason) if e.refusal else None),
    "pass_id": ("string", lambda e: str(e.pass_record.id) if e.pass_record else None),
    "pass_status": ("string", lambda e: e.pass_record.status.value if e.pass_record else None),
    "expires_at": ("moment", lambda e: e.pass_record.expires_at if e.pass_record else None),
    "qr_ready_at": ("moment", lambda e: e.pass_record.qr_ready_at if e.pass_record else None),
    "redeemed_at": ("moment", lambda e: e.pass_record.redeemed_at if e.pass_record else None),
    "models": (
        "string",
        lambda event: " ".join(f"{role}={sha256}" for role, sha256 in event.models.items()),
    ),
}


@router.get(
    "",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "The file, newest event first",
            "content": {
                "text/csv": {"schema": {"type": "string"}},
                "application/vnd.apache.parquet": {
                    "schema": {"type": "string", "format": "binary"}
                },
            },
        },
        **documented(ProblemCode.GATE_FORBIDDEN, ProblemCode.FORMAT_UNAVAILABLE),
    },
    description=cleandoc(
        """
        Download events as a file, newest first, with the filters of `GET /v1/events`.

        The answer is sent in pages while they are read, so it may hold the events of the whole
        retention. If the store fails half-way, the connection is broken off: a file that was
        received without an error is complete.
        """
    ),
)
def export_events(
    *,
    caller: Caller,
    store: StoreDep,
    now: Now,
    kind: Annotated[Format, Query(alias="format", description="csv or parquet")] = Format.CSV,
    gate: GateFilter = None,
    access: AccessFilter = None,
    label: LabelFilter = None,
    device: DeviceFilter = None,
    since: Since = None,
    until: Until = None,
) -> StreamingResponse:
    """Download events as a file, newest first, with the filters of `GET /v1/events`."""
    readable = readable_gate(caller, gate)

    def read(before: str | None) -> Page:
        return store.events.page(
            gate=readable,
            access=access,
            label=label,
            device=device,
            since=since,
            until=until,
            before=before,
            limit=PAGE,
            now=now,
        )

    # The first page before the answer starts: an error is still answered with a problem.
    pages = _pages(read, read(None))
    name = f"maskgate-events-{now:%Y%m%dT%H%M%SZ}.{kind.value}"
    return StreamingResponse(
        _csv(pages) if kind is Format.CSV else _parquet(pages),
        media_type=MEDIA[kind],
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def safe_cell(value: Value) -> str | int | float | None:
    """Return a cell that no spreadsheet takes for a formula."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, str) and value.lstrip(" ").startswith(FORMULA_STARTS):
        return f"'{value}"
    return value


def _pages(read: Read, first: Page) -> Iterator[list[EventRecord]]:
    items, read_on = first
    yield items
    while read_on is not None:
        items, read_on = read(read_on)
        yield items


def _csv(pages: Iterator[Sequence[EventRecord]]) -> Iterator[bytes]:
    """Yield CSV as RFC 4180 has it: a header, CRLF, every cell in quotes; in UTF-8."""
    lines = io.StringIO()
    writer = csv.writer(lines, quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    for page in pages:
        for event in page:
            writer.writerow([safe_cell(value(event)) for _, value in COLUMNS.values()])
        yield lines.getvalue().encode()
        lines.seek(0)
        lines.truncate()


def _parquet(pages: Iterator[Sequence[EventRecord]]) -> Iterator[bytes]:
    try:
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError as error:
        raise FormatUnavailable(
            "this server has no pyarrow; ask for format=csv, or install the extra `parquet`"
        ) from error
    kinds: dict[str, Any] = {
        "string": pa.string(),
        "float64": pa.float64(),
        "int32": pa.int32(),
        "moment": pa.timestamp("ms", tz="UTC"),
    }
    schema = pa.schema([(name, kinds[kind]) for name, (kind, _) in COLUMNS.items()])

    def groups() -> Iterator[bytes]:
        sink = _Sink()
        with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
            rows: list[EventRecord] = []
            for page in pages:
                rows += page
                if len(rows) >= ROWS_A_GROUP:
                    writer.write_table(_table(pa, schema, rows))
                    rows = []
                    yield sink.taken()
            if rows:
                writer.write_table(_table(pa, schema, rows))
        yield sink.taken()

    return groups()


def _table(arrow: Any, schema: Any, rows: Sequence[EventRecord]) -> Any:
    columns = {name: [value(row) for row in rows] for name, (_, value) in COLUMNS.items()}
    return arrow.table(columns, schema=schema)


class _Sink(io.RawIOBase):
    """A file that is only written on, and whose bytes are taken away as they come."""

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._written = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        size = memoryview(data).nbytes
        self._waiting += data
        self._written += size
        return size

    def tell(self) -> int:
        return self._written

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        taken = bytes(self._waiting)
        self._waiting.clear()
        return taken
