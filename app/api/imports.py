"""`POST /events/import`: history to begin from, as NDJSON or Parquet."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from fastapi import APIRouter, Depends, Request
from pydantic import Field, ValidationError

from app.api.access import Caller, who
from app.api.fields import Answer, Body, Name, Text64, TimeIn
from app.api.state import State, current
from app.api.windows import PARQUET
from app.errors import InvalidInput
from app.service import imports
from app.service.imports import HistoryRow

router = APIRouter(tags=["Events"])

NDJSON = "application/x-ndjson"
MAX_ROWS = 100_000
COLUMNS = (
    "profile",
    "window",
    "label",
    "device",
    "onset",
    "pre_roll",
    "post_roll",
)

Roll = Annotated[int, Field(ge=0, le=10**6)]


class RowBody(Body):
    """One window; `onset` is when its event began, `pre_roll` readings in."""

    profile: Name
    window: Annotated[list[list[float]], Field(min_length=1)]
    label: Text64 | None = None
    device: Name | None = None
    onset: TimeIn | None = None
    pre_roll: Roll = 0
    post_roll: Roll = 0

    def row(self) -> HistoryRow:
        """Return the value that the service takes."""
        with np.errstate(over="ignore"):
            window = np.array(self.window, dtype=np.float64).astype(np.float32)
        if window.ndim != 2 or not window.size or not np.isfinite(window).all():
            raise ValueError("not a finite window")
        return HistoryRow(
            profile=self.profile,
            window=window,
            label=self.label,
            device=self.device,
            onset=self.onset,
            pre_roll=self.pre_roll,
            post_roll=self.post_roll,
        )


class ImportedAnswer(Answer):
    """How many rows became events, were known, and brought a new label."""

    imported: int
    known: int
    labelled: int


@router.post(
    "/events/import",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                NDJSON: {
                    "schema": {"type": "string"},
                    "example": '{"profile": "arm-band", "window": [[0.1, 0.2]], '
                    '"label": "fist", "onset": "2026-01-02T03:04:05Z"}\n',
                },
                PARQUET: {"schema": {"type": "string", "format": "binary"}},
            },
        }
    },
)
async def import_events(
    request: Request,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> ImportedAnswer:
    """Store labelled windows as events that no detector found.

    NDJSON with one object a line, or Parquet with columns of the same names.  All
    rows are taken or none; the same window again is known by its content.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    data = await request.body()
    read = _parquet if kind == PARQUET else _ndjson
    rows = await asyncio.to_thread(lambda: list(read(data)))
    if not rows:
        raise InvalidInput("the body has no rows: send one JSON object a line")
    async with state.engine.begin() as conn:
        done = await imports.import_history(
            conn, rows, by=caller.name, now=datetime.now(UTC)
        )
    return ImportedAnswer.model_validate(done)


def _ndjson(data: bytes) -> Iterator[HistoryRow]:
    for number, line in enumerate(data.splitlines(), start=1):
        _limit(number)
        if line.strip():
            yield _row(number, RowBody.model_validate_json, line)


def _parquet(data: bytes) -> Iterator[HistoryRow]:
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        _limit(file.metadata.num_rows)
        names = [c for c in COLUMNS if c in file.schema_arrow.names]
        strange = set(file.schema_arrow.names) - set(COLUMNS)
        table = file.read(columns=names).to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InvalidInput("the body is not a Parquet file") from error
    if strange:
        raise InvalidInput(f"columns must be among {', '.join(COLUMNS)}")
    for number, record in enumerate(table, start=1):
        given = {name: value for name, value in record.items() if value is not None}
        yield _row(number, RowBody.model_validate, given)


def _row(number: int, read: Any, data: Any) -> HistoryRow:
    try:
        row: HistoryRow = read(data).row()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(p) for p in first["loc"] if str(p).isidentifier())
        raise InvalidInput(f"row {number}: {place}: {first['type']}") from error
    except ValueError as error:
        raise InvalidInput(
            f"row {number}: window: every reading must have every channel, finite"
        ) from error
    return row


def _limit(rows: int) -> None:
    if rows > MAX_ROWS:
        raise InvalidInput(f"more than {MAX_ROWS} rows: send several files")
