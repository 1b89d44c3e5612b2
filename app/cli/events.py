"""`onset events`, `label`, `export`: what was detected, why, and what people say."""

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
from app.cli.options import AsJson, Url
from app.cli.rest import Service
from app.cli.tables import show, show_answer, show_rows

PAGE = 200
FORMS = {
    "": "text/csv",
    ".csv": "text/csv",
    ".json": "application/json",
    ".parquet": "application/vnd.apache.parquet",
}


events = typer.Typer(
    invoke_without_command=True, help="List events, newest first; or ask why."
)


@events.callback()
def list_(
    asked_for: typer.Context,
    device: Annotated[str | None, typer.Option(help="Of this device only.")] = None,
    profile: Annotated[str | None, typer.Option(help="Of this profile only.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line.")
    ] = False,
    url: Url = None,
) -> None:
    """List events, newest first; or ask why one was given its class."""
    if asked_for.invoked_subcommand:
        return
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


@events.command()
def why(
    event: Annotated[str, typer.Argument(help="The event's id.")],
    model: Annotated[
        int | None,
        typer.Option(min=1, help="By this version, instead of the one that answered."),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Anew, with the labels of now.")
    ] = False,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Say which channels and parts decided, and which labelled events are like it."""
    service = Service.of(configuration.load(), url)
    asked = {"model_version": model, "again": "true" if again else None}
    said = service.call("GET", f"/events/{event}/explanation", params=asked)
    if as_json:
        typer.echo(msgspec.json.encode(said))
        return
    typer.echo(f"v{said['model_version']}: {said['sentence']}")
    table = Table("what", "weight", "without it", "it alone")
    for one in said["channels"]:
        table.add_row(one["channel"], *_weighed(one))
    for one in said["parts"]:
        span = f"{one['from_seconds']:.2f} .. {one['to_seconds']:.2f} s"
        table.add_row(span, *_weighed(one))
    show(table)
    near = Table("nearest labelled event", "label", "device", "distance")
    for one in said["nearest"]:
        distance = f"{one['distance']:.2f}"
        near.add_row(one["event"], one["label"], one["device"], distance)
    show(near)


def _weighed(one: dict[str, Any]) -> tuple[str, ...]:
    return tuple(f"{one[name]:.2f}" for name in ("weight", "without", "alone"))


Event = Annotated[str, typer.Argument(help="The event's id.")]
Seq = typer.Option(min=1, help="Number of the first reading of it.")
Next = typer.Option(min=2, help="Number of the first reading after it.")


@events.command("show")
def show_(event: Event, as_json: AsJson = False, url: Url = None) -> None:
    """Say everything of an event: predictions, labels, former boundaries."""
    service = Service.of(configuration.load(), url)
    show_answer(service.call("GET", f"/events/{event}"), as_json=as_json)


@events.command()
def trace(event: Event, as_json: AsJson = False, url: Url = None) -> None:
    """Say which way an event took through the service, step by step."""
    said = Service.of(configuration.load(), url).call("GET", f"/events/{event}/trace")
    columns = {"at": "at", "step": "step", "facts": "facts"}
    show_rows(said["steps"], columns, as_json=as_json)


@events.command()
def window(
    event: Event,
    file: Annotated[
        Path | None, typer.Argument(help=".csv, .parquet or .json; default: as CSV.")
    ] = None,
    url: Url = None,
) -> None:
    """Write the readings that show an event, with pre-roll and post-roll."""
    service = Service.of(configuration.load(), url)
    form = FORMS.get("" if file is None else file.suffix, FORMS[""])
    content = service.fetch(f"/events/{event}/window", form)
    if file is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    file.write_bytes(content)
    typer.echo(f"{file}: {len(content)} bytes")


@events.command()
def add(
    device: Annotated[str, typer.Argument(help="Id of the device.")],
    boot: Annotated[str, typer.Argument(help="Which stream of it.")],
    onset: Annotated[int, typer.Argument(min=1, help="First reading of it.")],
    offset: Annotated[int, typer.Argument(min=2, help="First reading after it.")],
    label: Annotated[str | None, typer.Option(help="What it is.")] = None,
    url: Url = None,
) -> None:
    """Add an event that the detector missed, cut from the recording."""
    service = Service.of(configuration.load(), url)
    asked = {"device": device, "boot": boot, "label": label}
    span = {"onset_seq": onset, "offset_seq": offset}
    typer.echo(service.call("POST", "/events", json=asked | span)["id"])


@events.command()
def move(
    event: Event,
    onset: Annotated[int | None, Seq] = None,
    offset: Annotated[int | None, Next] = None,
    url: Url = None,
) -> None:
    """Move where an event begins or ends; what it was is kept."""
    service = Service.of(configuration.load(), url)
    asked = {"onset_seq": onset, "offset_seq": offset}
    said = {name: value for name, value in asked.items() if value is not None}
    moved = service.call("PATCH", f"/events/{event}", json=said)
    typer.echo(f"{event}: {moved['onset_seq']} up to {moved['offset_seq']}")


@events.command()
def labels(event: Event, as_json: AsJson = False, url: Url = None) -> None:
    """List what was said of an event, oldest first; the last counts."""
    found = Service.of(configuration.load(), url).items(f"/events/{event}/labels")
    columns = {"label": "label", "by": "by", "source": "source", "at": "at"}
    show_rows(found, columns, as_json=as_json)


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
    pseudonyms: Annotated[
        bool, typer.Option("--pseudonyms", help="With made up names of devices.")
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
        "pseudonyms": "true" if pseudonyms else None,
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
