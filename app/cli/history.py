"""`onset import`: history to begin from, so that the first model need not wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import typer

from app.cli import configuration
from app.cli.options import Url
from app.cli.rest import Service
from app.errors import InvalidInput
from app.simulate.plan import profile_of
from app.simulate.recording import Recording
from app.simulate.recordings import read_folder

NDJSON = "application/x-ndjson"
PARQUET = "application/vnd.apache.parquet"
MAX_REQUEST_BYTES = 4 * 2**20
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
"""History without a date must not look newer than what is measured today; fixed, so
that importing it twice is the same as once."""


def import_(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="FILE|FOLDER",
            help="NDJSON or Parquet of labelled windows, or recordings + events.csv.",
        ),
    ],
    profile: Annotated[
        str | None, typer.Option(help="For recordings; default: the folder's name.")
    ] = None,
    channels: Annotated[
        str, typer.Option(help="For recordings: columns to take, with commas.")
    ] = "",
    parts: Annotated[
        str, typer.Option(help="For recordings: these parts only, with commas.")
    ] = "",
    url: Url = None,
) -> None:
    """Bring in labelled windows that no detector of ours found."""
    service = Service.of(configuration.load(), url)
    if source.is_dir():
        recordings = read_folder(source, [c for c in channels.split(",") if c])
        wanted = {p for p in parts.split(",") if p}
        recordings = [r for r in recordings if not wanted or r.part in wanted]
        name = profile or source.resolve().name
        body = profile_of(name, recordings)
        if not any(p["name"] == name for p in service.items("/profiles")):
            service.call("PUT", f"/profiles/{name}", json=body)
        requests = batches(rows(name, recordings))
        kind = NDJSON
    elif source.suffix == ".parquet":
        requests, kind = iter([source.read_bytes()]), PARQUET
    elif source.is_file():
        requests, kind = batches(source.read_bytes().splitlines()), NDJSON
    else:
        raise InvalidInput(f"{source} is neither a file nor a folder")
    done: Counter[str] = Counter()
    for content in requests:
        answer = service.call(
            "POST", "/events/import", content=content, content_type=kind
        )
        done.update(answer)
    typer.echo(
        f"{source}: {done['imported']} windows imported, {done['known']} known before, "
        f"{done['labelled']} new labels"
    )


def rows(profile: str, recordings: Sequence[Recording]) -> Iterator[bytes]:
    """Cut the true events out of recordings, one JSON line each.

    Parts of a device follow one another in time, as they were recorded.
    """
    if not any(r.truth for r in recordings):
        raise InvalidInput("no events.csv tells what is in these recordings")
    begins: dict[str, datetime] = {}
    for recording in recordings:
        begin = begins.get(recording.device, LONG_AGO)
        begins[recording.device] = begin + timedelta(seconds=recording.seconds + 1)
        for event in recording.truth:
            first, stop = np.searchsorted(recording.t, (event.start, event.end))
            window = recording.values[first:stop]
            if not len(window) or not np.isfinite(window).all():
                continue
            at = begin + timedelta(seconds=event.start - float(recording.t[0]))
            row: dict[str, Any] = {
                "profile": profile,
                "device": recording.device,
                "label": event.label,
                "onset": at,
                "window": window.tolist(),
            }
            yield msgspec.json.encode(row)


def batches(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Join lines to requests of a size that the service takes."""
    waiting: list[bytes] = []
    size = 0
    for line in lines:
        if waiting and size + len(line) > MAX_REQUEST_BYTES:
            yield b"\n".join(waiting)
            waiting, size = [], 0
        waiting.append(line)
        size += len(line) + 1
    if waiting:
        yield b"\n".join(waiting)
