"""`onset events`, `label`, `export`: what was detected, and what people say it is."""

from __future__ import annotations

import itertools
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from app.cli import configuration
from app.cli.options import Url
from app.cli.rest import Service
from app.cli.tables import show

PAGE = 200


def events(
    device: Annotated[str | None, typer.Option(help="Of this device only.")] = None,
    profile: Annotated[str | None, typer.Option(help="Of this profile only.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line.")
    ] = False,
    url: Url = None,
) -> None:
    """List events, newest first."""
    service = Service.of(configuration.load(), url)
    asked = {
        "device": device,
        "profile": profile,
        "limit": min(limit, PAGE),
        "order": "desc",
    }
    found = itertools.islice(service.items("/events", asked), limit)
    if as_json:
        for event in found:
            typer.echo(msgspec.json.encode(event))
        return
    table = Table("event", "device", "onset", "seconds", "predicted", "label", "flags")
    for event in found:
        table.add_row(*_cells(event))
    show(table)


def label(
    event: Annotated[str, typer.Argument(help="The event's id.")],
    text: Annotated[str, typer.Argument(metavar="LABEL", help="What it is.")],
    url: Url = None,
) -> None:
    """Say what an event is; what was said before is kept."""
    service = Service.of(configuration.load(), url)
    service.call("POST", f"/events/{event}/labels", json={"label": text})
    typer.echo(f"{event}: {text}")


def export(
    file: Annotated[
        Path | None, typer.Argument(help="File to write; default: stdout.")
    ] = None,
    form: Annotated[
        str, typer.Option("--format", help="jsonl, csv or parquet.")
    ] = "jsonl",
    profile: Annotated[str | None, typer.Option(help="Of this profile only.")] = None,
    device: Annotated[str | None, typer.Option(help="Of this device only.")] = None,
    since: Annotated[
        str | None, typer.Option(help="After the row that had this cursor.")
    ] = None,
    windows: Annotated[
        bool, typer.Option("--windows", help="With the raw readings of each event.")
    ] = False,
    url: Url = None,
) -> None:
    """Write events with their predictions and labels."""
    service = Service.of(configuration.load(), url)
    asked = {
        "format": form,
        "profile": profile,
        "device": device,
        "since": since,
        "windows": "true" if windows else None,
    }
    parts = service.stream("/export", asked)
    if file is None:
        for part in parts:
            sys.stdout.buffer.write(part)
        sys.stdout.buffer.flush()
        return
    fresh = file.with_name(f"{file.name}.new")
    with fresh.open("wb") as out:
        size = sum(out.write(part) for part in parts)
    fresh.replace(file)
    typer.echo(f"{file}: {size} bytes")


def _cells(event: dict[str, Any]) -> tuple[str, ...]:
    said, by_hand = event["prediction"], event["label"]
    predicted = "-"
    if said:
        sure = "unknown" if said["unknown"] else f"{said['probability']:.2f}"
        predicted = f"{said['label']} ({sure}, v{said['model_version']})"
    seconds = _seconds(event)
    return (
        event["id"],
        event["device"],
        event["onset"][:23],
        seconds,
        predicted,
        by_hand["label"] if by_hand else "-",
        " ".join(event["flags"]),
    )


def _seconds(event: dict[str, Any]) -> str:
    """Length by the device's clock."""
    onset, offset = (
        msgspec.convert(event[k], type=datetime) for k in ("onset", "offset")
    )
    return f"{(offset - onset).total_seconds():.2f}"
