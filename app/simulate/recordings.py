"""Read a folder of recordings: one Parquet or CSV file each, and perhaps `events.csv`.

A file has a column ``t`` (seconds) and one column per channel.  Which columns are
channels is decided once for the folder (`choose_channels`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, parquet

from app.domain import FloatArray
from app.errors import InvalidInput
from app.simulate.recording import Recording, Truth, safe_name, split_name

TRUTH_FILE = "events.csv"
SUFFIXES = (".parquet", ".csv")


def read_folder(folder: Path, channels: Sequence[str] = ()) -> list[Recording]:
    """Read every recording of a folder, in the order in which they are played.

    Parameters
    ----------
    folder : Path
    channels : sequence of str
        Which columns to take; empty: `choose_channels`.

    Raises
    ------
    InvalidInput
        If the folder holds no recording, or one that cannot be read.
    """
    if not folder.is_dir():
        raise InvalidInput(f"{folder} is not a folder")
    files = [
        path
        for path in folder.iterdir()
        if path.suffix in SUFFIXES and path.name != TRUTH_FILE
    ]
    if not files:
        raise InvalidInput(f"{folder} holds no Parquet or CSV file")
    tables = {path.stem: read_table(path) for path in sorted(files, key=_order)}
    chosen = tuple(channels) or choose_channels(list(tables.values()))
    truth = read_truth(folder / TRUTH_FILE)
    for name in truth.keys() - tables.keys():
        raise InvalidInput(f"{TRUTH_FILE} names {name}, which has no file")
    recordings = [
        to_recording(name, table, chosen, truth.get(name, ()))
        for name, table in tables.items()
    ]
    return recordings


def read_table(path: Path) -> pa.Table:
    """Read one file.

    Raises
    ------
    InvalidInput
        If it cannot be parsed or has no column ``t``.
    """
    try:
        table = (
            parquet.read_table(path)
            if path.suffix == ".parquet"
            else csv.read_csv(path)
        )
    except (pa.ArrowInvalid, OSError) as error:
        raise InvalidInput(f"{path.name} cannot be read: {error}") from error
    if "t" not in table.column_names:
        raise InvalidInput(f"{path.name} has no column t (seconds)")
    if not table.num_rows:
        raise InvalidInput(f"{path.name} has no reading")
    return table


def choose_channels(tables: Sequence[pa.Table]) -> tuple[str, ...]:
    """Take the numeric columns that all recordings have, but no annotations.

    A column of whole numbers that says only 0 and 1 in every recording is taken for
    somebody's answer (``anomaly``, ``occupied``), not for a measurement; so are text
    and booleans.  Name such a column explicitly to stream it all the same.

    Raises
    ------
    InvalidInput
        If no column is left.
    """
    chosen = [
        name
        for name in tables[0].column_names
        if name != "t"
        and all(
            name in table.column_names and _is_number(table.schema.field(name).type)
            for table in tables
        )
        and not all(_is_answer(table.column(name)) for table in tables)
    ]
    if not chosen:
        raise InvalidInput("no numeric column besides t is in every recording")
    return tuple(chosen)


def read_truth(path: Path) -> dict[str, tuple[Truth, ...]]:
    """Read ``recording,label,start,end`` by recording; no file, no truth.

    Raises
    ------
    InvalidInput
        If a column is missing or an event does not end after it starts.
    """
    if not path.is_file():
        return {}
    texts = csv.ConvertOptions(
        column_types={"recording": pa.string(), "label": pa.string()}
    )
    table = csv.read_csv(path, convert_options=texts)
    missing = {"recording", "label", "start", "end"} - set(table.column_names)
    if missing:
        raise InvalidInput(f"{path.name} has no column {', '.join(sorted(missing))}")
    truth: dict[str, list[Truth]] = {}
    for row in table.to_pylist():
        if not row["start"] < row["end"]:
            raise InvalidInput(
                f"{path.name}: start={row['start']} must be before end={row['end']}"
            )
        event = Truth(float(row["start"]), float(row["end"]), row["label"])
        truth.setdefault(row["recording"], []).append(event)
    return {
        name: tuple(sorted(events, key=lambda e: e.start))
        for name, events in truth.items()
    }


def to_recording(
    name: str, table: pa.Table, channels: Sequence[str], truth: Sequence[Truth]
) -> Recording:
    """Make a recording of the chosen columns; what is missing becomes NaN."""
    absent = [c for c in channels if c not in table.column_names]
    if absent:
        raise InvalidInput(f"recording {name} has no column {', '.join(absent)}")
    t = _numbers(name, table, "t")
    values = np.column_stack([_numbers(name, table, c) for c in channels])
    with np.errstate(over="ignore"):  # what float32 cannot hold is a missing value
        narrow = values.astype(np.float32)
    device, part = split_name(name)
    return Recording(
        safe_name(device), part, tuple(channels), rate_of(t), t, narrow, tuple(truth)
    )


def rate_of(t: FloatArray) -> float:
    """Estimate readings per second from the median interval, to four digits.

    Examples
    --------
    >>> rate_of(np.array([0.0, 0.02, 0.04, 0.2, 0.22]))
    50.0
    """
    steps = np.diff(t)
    steps = steps[steps > 0]
    return float(f"{1.0 / np.median(steps):.4g}") if len(steps) else 1.0


def _numbers(name: str, table: pa.Table, column: str) -> FloatArray:
    try:
        column_values = table.column(column).cast(pa.float64(), safe=False)
    except pa.ArrowInvalid as error:
        raise InvalidInput(f"recording {name}: column {column}: {error}") from error
    numbers: FloatArray = column_values.to_numpy().astype(np.float64)
    return numbers


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _is_answer(column: pa.ChunkedArray) -> bool:
    if not pa.types.is_integer(column.type):
        return False
    ends = pc.min_max(column)
    return ends["min"].as_py() in (None, 0, 1) and ends["max"].as_py() in (None, 0, 1)


def _order(path: Path) -> tuple[list[tuple[int, str]], str]:
    """Sort as people do: part 2 before part 10."""
    pieces = re.findall(r"\d+|\D+", path.stem)
    return [(int(p), "") if p.isdigit() else (-1, p) for p in pieces], path.stem
