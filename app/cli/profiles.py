"""`onset profiles`: kinds of devices, and what becomes of their events."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from app.cli import configuration
from app.cli.options import AsJson, Url
from app.cli.rest import Refused, Service
from app.cli.tables import show_answer, show_rows

profiles = typer.Typer(
    invoke_without_command=True,
    help="Kinds of devices: what they measure, and what becomes of their events.",
)
Name = Annotated[str, typer.Argument(metavar="PROFILE")]
Since = Annotated[
    str | None, typer.Option(help="From then on (RFC 3339); default: a day before.")
]
Until = Annotated[str | None, typer.Option(help="Until then; default: now.")]
OfDevice = Annotated[str | None, typer.Option(help="Of this device only.")]


@profiles.callback()
def list_(asked_for: typer.Context, as_json: AsJson = False, url: Url = None) -> None:
    """List profiles; or say more of one."""
    if asked_for.invoked_subcommand:
        return
    found = Service.of(configuration.load(), url).items("/profiles")
    columns = {
        "profile": "name",
        "rate Hz": "rate_hz",
        "classes": "classes",
        "detector": "detector_version",
        "recorded": "record",
    }
    show_rows(found, columns, as_json=as_json)


@profiles.command("show")
def show_(name: Name, as_json: AsJson = False, url: Url = None) -> None:
    """Say what a profile declares."""
    service = Service.of(configuration.load(), url)
    show_answer(service.call("GET", f"/profiles/{name}"), as_json=as_json)


@profiles.command()
def put(
    name: Name,
    file: Annotated[Path, typer.Argument(help="Its JSON: channels, rate_hz, ...")],
    url: Url = None,
) -> None:
    """Declare a profile, or change it."""
    service = Service.of(configuration.load(), url)
    said = service.call("PUT", f"/profiles/{name}", json=_json(file))
    typer.echo(f"{name}: detector {said['detector_version']}")


@profiles.command()
def status(name: Name, as_json: AsJson = False, url: Url = None) -> None:
    """Say how a profile does: champion, accuracy, labels, what is unclassified."""
    service = Service.of(configuration.load(), url)
    show_answer(service.call("GET", f"/profiles/{name}/status"), as_json=as_json)


@profiles.command()
def history(
    name: Name, device: OfDevice = None, as_json: AsJson = False, url: Url = None
) -> None:
    """List which model version served when, newest first."""
    service = Service.of(configuration.load(), url)
    found = service.items(f"/profiles/{name}/history", {"device": device})
    columns = {"version": "version", "act": "act", "by": "by", "at": "at"}
    columns |= {"until": "until", "reason": "reason"}
    show_rows(found, columns, as_json=as_json)


@profiles.command()
def drift(
    name: Name, device: OfDevice = None, as_json: AsJson = False, url: Url = None
) -> None:
    """Say whether the champion still sees what it learnt."""
    service = Service.of(configuration.load(), url)
    asked = {"device": device}
    said = service.call("GET", f"/profiles/{name}/drift", params=asked)
    if not as_json:
        word = "drift" if said["alarm"] else "no drift"
        typer.echo(f"v{said['model_version']}: {word} in {said['events']} events")
        for one in said["signals"]:
            typer.echo(f"{one['kind']}: {one['sentence']}")
        return
    show_answer(said, as_json=True)


@profiles.command()
def statistics(
    name: Name,
    since: Since = None,
    until: Until = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Count events by label and prediction, of the last 24 hours by default."""
    service = Service.of(configuration.load(), url)
    asked = {"since": since, "until": until}
    said = service.call("GET", f"/profiles/{name}/statistics", params=asked)
    if as_json:
        show_answer(said, as_json=True)
        return
    typer.echo(
        f"{said['events']} events, {said['classified']} classified, "
        f"{said['labelled']} labelled, {said['since'][:19]} to {said['until'][:19]}"
    )
    said_of = {one["label"]: one["n"] for one in said["labels"]}
    rows = [
        {**one, "labelled": said_of.pop(one["label"], 0)} for one in said["predicted"]
    ]
    rows += [
        {"label": k, "n": 0, "unknown": 0, "labelled": n} for k, n in said_of.items()
    ]
    columns = {"class": "label", "predicted": "n", "unknown": "unknown"}
    show_rows(rows, columns | {"labelled": "labelled"}, as_json=False)


@profiles.command()
def rules(
    name: Name,
    file: Annotated[
        Path | None,
        typer.Argument(help="JSON list of rules to have in place of those there are."),
    ] = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """List what is made of events by their labels, or say it anew."""
    service = Service.of(configuration.load(), url)
    if file is not None:
        service.call("PUT", f"/profiles/{name}/rules", json={"rules": _json(file)})
    found = service.call("GET", f"/profiles/{name}/rules")["rules"]
    columns = {"label": "label", "severity": "severity", "merge s": "merge_seconds"}
    show_rows(found, columns | {"suppress": "suppress"}, as_json=as_json)


@profiles.command()
def episodes(
    name: Name,
    since: Since = None,
    until: Until = None,
    device: OfDevice = None,
    severity: Annotated[
        str | None, typer.Option(help="info, warning or critical: this, or graver.")
    ] = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """List what happened: events merged, left out and graded by the rules."""
    service = Service.of(configuration.load(), url)
    asked = {"since": since, "until": until, "device": device, "severity": severity}
    said = service.call("GET", f"/profiles/{name}/episodes", params=asked)
    rows = [{**one, "n": len(one["events"])} for one in said["episodes"]]
    columns = {"device": "device", "label": "label", "severity": "severity"}
    columns |= {"onset": "onset", "offset": "offset", "events": "n"}
    show_rows(rows, columns, as_json=as_json)


@profiles.command()
def gold(
    name: Name,
    add: Annotated[
        list[str] | None, typer.Option(help="Put this event in; repeat it.")
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option(help="Take this event out; repeat it.")
    ] = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """List the gold set, which no model learns and every one is judged by."""
    service = Service.of(configuration.load(), url)
    for events, inside in ((add, True), (remove, False)):
        if events:
            asked = {"events": events, "gold": inside}
            service.call("POST", f"/profiles/{name}/gold", json=asked)
    columns = {"event": "event", "label": "label", "by": "by", "at": "at"}
    show_rows(service.items(f"/profiles/{name}/gold"), columns, as_json=as_json)


def _json(file: Path) -> Any:
    try:
        return msgspec.json.decode(file.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise Refused(f"{file}: {error}") from error
