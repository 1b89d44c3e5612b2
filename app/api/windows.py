"""A window as JSON, CSV or Parquet."""

from __future__ import annotations

import io
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from starlette.responses import Response

from app.api.fields import Answer
from app.api.profiles import ChannelBody
from app.store.events import Window

JSON = "application/json"
CSV = "text/csv"
PARQUET = "application/vnd.apache.parquet"


class WindowAnswer(Answer):
    """Readings `[reading][channel]`; 32-bit floats, which JSON carries exactly."""

    values: list[list[float]]
    channels: list[ChannelBody]
    rate_hz: float
    pre_roll: int
    post_roll: int
    context: dict[str, Any] | None = None
    """What was known beside it when it was named; for `POST /classify`."""


def written(window: Window, accept: str) -> Response:
    """Write a window in the form that was asked for."""
    wanted = _first_known(accept)
    if wanted == CSV:
        return Response(_csv(window), media_type=CSV)
    if wanted == PARQUET:
        return Response(_parquet(window), media_type=PARQUET)
    data = {
        "values": window.values.tolist(),
        "channels": [{"name": c.name, "unit": c.unit} for c in window.channels],
        "rate_hz": window.rate_hz,
        "pre_roll": window.pre_roll,
        "post_roll": window.post_roll,
        "context": None if window.context is None else window.context.to_json(),
    }
    return Response(msgspec.json.encode(data), media_type=JSON)


def _first_known(accept: str) -> str:
    """Choose by `Accept`, in the order given; weights are not looked at.

    Examples
    --------
    >>> _first_known("text/csv;q=0.9, */*")
    'text/csv'
    """
    for part in accept.lower().split(","):
        kind = part.partition(";")[0].strip()
        if kind in (JSON, CSV, PARQUET):
            return kind
    return JSON


def _seconds(window: Window) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return (np.arange(len(window.values)) - window.pre_roll) / window.rate_hz


def _csv(window: Window) -> str:
    out = io.StringIO()
    names = ["t", *(channel.name for channel in window.channels)]
    out.write(",".join(_quoted(name) for name in names) + "\n")
    for at, reading in zip(_seconds(window).tolist(), window.values, strict=True):
        # str of a float32 is the shortest text that gives the same float32 again
        out.write(",".join([repr(at), *(str(value) for value in reading)]) + "\n")
    return out.getvalue()


def _quoted(name: str) -> str:
    """Quote a channel's name where CSV needs it; nor may it start a formula."""
    if name[:1] in "=+-@":
        name = f"'{name}"
    return '"' + name.replace('"', '""') + '"' if set(name) & set('",') else name


def _parquet(window: Window) -> bytes:
    columns = [pa.array(_seconds(window))]
    columns += [pa.array(column) for column in window.values.T]
    names = ["t", *(channel.name for channel in window.channels)]
    about = {
        "rate_hz": str(window.rate_hz),
        "pre_roll": str(window.pre_roll),
        "post_roll": str(window.post_roll),
    }
    table = pa.Table.from_arrays(columns, names=names).replace_schema_metadata(about)
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()
