"""`onset events`, `label`, `export`: what was detected, and what people say it is."""

from __future__ import annotations

import itertools
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
        Path | None, typer.Argument(help="JSONL file to write; default: stdout.")
    ] = None,
    profile: Annotated[str | None, typer.Option(help="Of this profile only.")] = None,
    windows: Annotated[
        bool, typer.Option("--windows", help="With the raw readings of each event.")
    ] = False,
    url: Url = None,
) -> None:
    """Write events with their labels, one JSON object a line."""
    service = Service.of(configuration.load(), url)
    lines = (
        msgspec.json.encode(_exported(service, event, windows=windows))
        for event in service.items("/events", {"profile": profile, "limit": PAGE})
    )
    if file is None:
        for line in lines:
            typer.echo(line)
        return
    fresh, n = file.with_name(f"{file.name}.new"), 0
    with fresh.open("wb") as out:
        for line in lines:
            out.write(line + b"\n")
            n += 1
    fresh.replace(file)
    typer.echo(f"{file}: {n} events")


def _exported(
    service: Service, event: dict[str, Any], *, windows: bool
) -> dict[str, Any]:
    if not windows:
        return event
    return {**event, "window": service.call("GET", f"/events/{event['id']}/window")}


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
