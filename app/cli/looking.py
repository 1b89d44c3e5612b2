"""`onset audit`, `quarantine`, `recall`, `queue`, `disputes`, `live`: to look."""

from __future__ import annotations

import itertools
from typing import Annotated

import msgspec
import typer

from app.cli import configuration
from app.cli.options import AsJson, Url
from app.cli.rest import Service
from app.cli.tables import show_answer, show_rows

Limit = Annotated[int, typer.Option(min=1, help="How many at most.")]
OfProfile = Annotated[str | None, typer.Option(help="Of this profile only.")]
OfDevice = Annotated[str | None, typer.Option(help="Of this device only.")]


def audit(limit: Limit = 20, as_json: AsJson = False, url: Url = None) -> None:
    """List who did what, newest first."""
    service = Service.of(configuration.load(), url)
    found = service.items("/audit", {"limit": min(limit, 200)})
    columns = {"at": "at", "who": "actor", "did": "act", "to": "object"}
    columns |= {"after": "after"}
    show_rows(itertools.islice(found, limit), columns, as_json=as_json)


def quarantine(
    device: OfDevice = None,
    limit: Limit = 20,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """List readings on which a detector failed, newest first."""
    service = Service.of(configuration.load(), url)
    asked = {"device": device, "limit": min(limit, 1000)}
    found = service.call("GET", "/quarantine", params=asked)["items"]
    columns = {"device": "device", "boot": "boot", "reading": "seq", "why": "why"}
    show_rows(found, columns | {"at": "at"}, as_json=as_json)


def recall(
    profile: OfProfile = None,
    device: OfDevice = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Estimate how much of what happens is found; of a profile or a device."""
    service = Service.of(configuration.load(), url)
    asked = {"profile": profile, "device": device}
    show_answer(
        service.call("GET", "/near-misses/recall", params=asked), as_json=as_json
    )


def queue(
    profile: Annotated[str, typer.Argument(metavar="PROFILE")],
    limit: Limit = 20,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """List which events are most worth a label now, each with its reason."""
    service = Service.of(configuration.load(), url)
    asked = {"profile": profile, "limit": limit}
    found = service.call("GET", "/labels/queue", params=asked)["items"]
    columns = {"event": "event.id", "device": "event.device", "onset": "event.onset"}
    columns |= {"predicted": "event.prediction.label", "why": "reason"}
    show_rows(found, columns, as_json=as_json)


def disputes(
    profile: Annotated[str, typer.Argument(metavar="PROFILE")],
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """List events of which people say different things, newest first."""
    service = Service.of(configuration.load(), url)
    found = service.call("GET", "/labels/disputes", params={"profile": profile})
    columns = {"event": "event.id", "device": "event.device", "said": "said"}
    show_rows(found["items"], columns, as_json=as_json)


def live(
    kind: Annotated[
        list[str] | None, typer.Option(help="Only these kinds; repeat it.")
    ] = None,
    profile: OfProfile = None,
    since: Annotated[
        str | None, typer.Option(help="Go on after the line that had this id.")
    ] = None,
    url: Url = None,
) -> None:
    """Follow what happens, one JSON object a line, until Ctrl-C."""
    service = Service.of(configuration.load(), url)
    asked = {"kind": kind, "profile": profile}
    for said in service.feed("/live", asked, since):
        line = {"kind": said.kind, "id": said.id, "data": said.data}
        typer.echo(msgspec.json.encode(line))
