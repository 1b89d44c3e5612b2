"""`/export`: all events that fit, as one stream that never stands whole in memory."""

from __future__ import annotations

import asyncio
import csv
import hmac
import io
import secrets
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Literal

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from fastapi import APIRouter, Depends
from fastapi import Query as QueryOf
from pydantic import AfterValidator, Field
from starlette.responses import StreamingResponse

from app.api.fields import Name, Number, Query, Text64, cursor_text, stamp
from app.api.state import State, current
from app.api.windows import CSV, PARQUET
from app.domain import Flag
from app.errors import InvalidInput
from app.store import events
from app.store.events import EventFilter, EventRow
from app.store.pages import cursor_of, number_in

router = APIRouter(tags=["Events"])

NDJSON = "application/x-ndjson"
PAGE, PAGE_WITH_WINDOWS = 1000, 50
"""Events in memory at once."""

Row = dict[str, Any]
COLUMNS: dict[str, pa.DataType] = {
    "id": pa.string(),
    "device": pa.string(),
    "boot": pa.string(),
    "profile": pa.string(),
    "onset_seq": pa.int64(),
    "offset_seq": pa.int64(),
    "onset": pa.timestamp("us", tz="UTC"),
    "offset": pa.timestamp("us", tz="UTC"),
    "peak": pa.float64(),
    "flags": pa.list_(pa.string()),
    "detector_version": pa.int32(),
    "predicted": pa.string(),
    "probability": pa.float64(),
    "unknown": pa.bool_(),
    "model_version": pa.int32(),
    "label": pa.string(),
    "labelled_by": pa.string(),
    "labelled_at": pa.timestamp("us", tz="UTC"),
    "cursor": pa.string(),
}
WINDOW: dict[str, pa.DataType] = {
    "window": pa.list_(pa.list_(pa.float32())),
    "pre_roll": pa.int32(),
    "post_roll": pa.int32(),
}


class ExportQuery(Query):
    """Which events, in which form."""

    format: Literal["jsonl", "csv", "parquet"] = "jsonl"
    windows: bool = Field(
        default=False, description="With the readings of each event; not in CSV."
    )
    pseudonyms: bool = Field(
        default=False,
        description="With names made up for this export in place of devices, boots, "
        "events and labellers.",
    )
    since: Annotated[str, AfterValidator(cursor_text)] | None = Field(
        default=None,
        description="Only what was stored after the row that had this `cursor`.",
    )
    device: Name | None = None
    profile: Name | None = None
    label: Text64 | None = Field(default=None, description="The label that counts.")
    predicted: Text64 | None = None
    model_version: Number | None = None
    labelled: bool | None = None
    flag: Flag | None = None

    def wanted(self) -> EventFilter:
        """Return the store's filter."""
        form = {"format", "windows", "pseudonyms", "since"}
        return EventFilter(**self.model_dump(exclude=form))


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={200: {"content": {NDJSON: {}, CSV: {}, PARQUET: {}}}},
)
async def export(
    query: Annotated[ExportQuery, QueryOf()], state: Annotated[State, Depends(current)]
) -> StreamingResponse:
    """All events that fit, in commit order, as JSON lines, CSV or Parquet.

    Each row has a `cursor`: a later export `since` the last one goes on after it and
    misses nothing.  A stream that breaks off is incomplete; go on from its last row.
    With `pseudonyms` a name stands for the same all through the export, and for nothing
    in another one.
    """
    if query.windows and query.format == "csv":
        raise InvalidInput("windows=true: a CSV has no place for windows")
    if query.since is not None:
        number_in(query.since)  # refused before the stream begins
    rows = pages(state, query)
    written = {"jsonl": json_lines, "csv": comma_separated, "parquet": parquet}
    media = {"jsonl": NDJSON, "csv": CSV, "parquet": PARQUET}[query.format]
    disposition = {
        "Content-Disposition": f'attachment; filename="events.{query.format}"'
    }
    return StreamingResponse(
        written[query.format](rows, windows=query.windows),
        media_type=media,
        headers=disposition,
    )


async def pages(state: State, query: ExportQuery) -> AsyncIterator[list[Row]]:
    """Read what fits page by page; a page is one short look at the database."""
    size = PAGE_WITH_WINDOWS if query.windows else PAGE
    secret = secrets.token_bytes(32) if query.pseudonyms else None
    cursor = query.since
    while True:
        async with state.engine.connect() as conn:
            found, more = await events.list_(conn, query.wanted(), size, cursor)
            rows = [flat(row) for row in found]
            if query.windows and found:
                shown = await events.windows(conn, [row.id for row in found])
                for row, event in zip(rows, found, strict=True):
                    row["window"] = shown[event.id].tolist()
                    row["pre_roll"] = event.pre_roll
                    row["post_roll"] = event.post_roll
        if secret is not None:
            rows = [unnamed(row, secret) for row in rows]
        if rows:
            yield rows
        if more is None:
            return
        cursor = more


def flat(row: EventRow) -> Row:
    """Put an event with its prediction and label into one row."""
    said, label = row.prediction, row.label
    return {
        "id": str(row.id),
        "device": row.device,
        "boot": row.boot,
        "profile": row.profile,
        "onset_seq": row.onset_seq,
        "offset_seq": row.offset_seq,
        "onset": row.onset,
        "offset": row.offset,
        "peak": row.peak,
        "flags": list(row.flags),
        "detector_version": row.detector_version,
        "predicted": said and said.label,
        "probability": said and said.probability,
        "unknown": said and said.unknown,
        "model_version": said and said.model_version,
        "label": label and label.label,
        "labelled_by": label and label.by,
        "labelled_at": label and label.at,
        "cursor": cursor_of(row.position),
    }


def unnamed(row: Row, secret: bytes) -> Row:
    """Put names that nobody can lead back in place of those of devices and people.

    An event's id is made of its device's name: who guesses the one has the other.
    """

    def alias(kind: str, name: str) -> str:
        said = hmac.digest(secret, f"{kind}\x1f{name}".encode(), "sha256").hex()
        return f"{kind}-{said[:16]}"

    by = row["labelled_by"]
    return row | {
        "id": alias("event", row["id"]),
        "device": alias("device", row["device"]),
        "boot": alias("boot", f"{row['device']}\x1f{row['boot']}"),
        "labelled_by": by and alias("person", by),
    }


def _text(row: Row) -> Row:
    """Write times as everywhere in the interface."""
    times = ("onset", "offset", "labelled_at")
    return row | {name: row[name] and stamp(row[name]) for name in times}


async def json_lines(
    rows: AsyncIterator[list[Row]], *, windows: bool
) -> AsyncIterator[bytes]:
    """Write one JSON object a line."""
    encoder = msgspec.json.Encoder()
    async for page in rows:
        yield await asyncio.to_thread(encoder.encode_lines, [_text(r) for r in page])


async def comma_separated(
    rows: AsyncIterator[list[Row]], *, windows: bool
) -> AsyncIterator[bytes]:
    """Write a header and a line a row; flags are joined by spaces."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    yield _taken(out)
    async for page in rows:
        for row in map(_text, page):
            row["flags"] = " ".join(row["flags"])
            writer.writerow([_harmless(row[name]) for name in COLUMNS])
        yield _taken(out)


def _harmless(value: Any) -> Any:
    """Keep a spreadsheet from taking a text for a formula."""
    if isinstance(value, str) and value[:1] in tuple("=+-@"):
        return f"'{value}"
    return value


def _taken(out: io.StringIO) -> bytes:
    data = out.getvalue().encode()
    out.seek(0)
    out.truncate()
    return data


async def parquet(
    rows: AsyncIterator[list[Row]], *, windows: bool
) -> AsyncIterator[bytes]:
    """Write a row group a page."""
    schema = pa.schema({**COLUMNS, **WINDOW} if windows else COLUMNS)
    sink = _Sink()
    writer = await asyncio.to_thread(pq.ParquetWriter, sink, schema)
    async for page in rows:
        await asyncio.to_thread(_write, writer, page, schema)
        yield sink.taken()
    await asyncio.to_thread(writer.close)
    yield sink.taken()


def _write(writer: pq.ParquetWriter, page: Sequence[Row], schema: pa.Schema) -> None:
    writer.write_table(pa.Table.from_pylist(page, schema=schema))


class _Sink(io.RawIOBase):
    """A file that is read away while it is written."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._at = 0

    def writable(self) -> bool:
        """Say that it may be written."""
        return True

    def write(self, data: Any) -> int:
        """Take what is written."""
        part = bytes(data)
        self._parts.append(part)
        self._at += len(part)
        return len(part)

    def tell(self) -> int:
        """Say how much was written ever."""
        return self._at

    def taken(self) -> bytes:
        """Give what was written since this was last asked."""
        data = b"".join(self._parts)
        self._parts.clear()
        return data
