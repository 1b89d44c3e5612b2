"""`onset clusters`: unknown events that are alike, and what somebody calls them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from app.cli import configuration
from app.cli.options import AsJson, Url
from app.cli.rest import Refused, Service
from app.cli.tables import show


def clusters(
    profile: Annotated[str, typer.Argument(metavar="PROFILE")],
    label: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLUSTER=LABEL", help="Label all events of a cluster; repeat it."
        ),
    ] = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """List unknown events that are alike; label a whole cluster at once."""
    service = Service.of(configuration.load(), url)
    found = service.call("GET", f"/profiles/{profile}/clusters")
    if label:
        said = [_named(found["items"], one) for one in label]
        rows = [{"event": e, "label": name} for c, name in said for e in c["members"]]
        service.call("POST", "/labels", json={"labels": rows})
        for cluster, name in said:
            typer.echo(f"{cluster['id']}: {cluster['size']} events are {name}")
        return
    if as_json:
        for cluster in found["items"]:
            typer.echo(msgspec.json.encode(cluster))
        return
    table = Table("cluster", "events", "tight", "most like", "example", "device")
    for one in found["items"]:
        example = one["example"]
        tight, like = f"{one['tightness']:.2f}", one["guess"] or "-"
        size = str(one["size"])
        table.add_row(one["id"], size, tight, like, example["id"], example["device"])
    show(table)
    typer.echo(f"{found['looked_at']} events looked at, {found['alone']} like no other")


def _named(items: list[dict[str, Any]], said: str) -> tuple[dict[str, Any], str]:
    """Find the cluster that is meant, by the beginning of its id."""
    begin, _, name = said.partition("=")
    if not begin or not name:
        raise Refused(f"{said!r} must be CLUSTER=LABEL")
    found = [one for one in items if one["id"].startswith(begin)]
    if len(found) != 1:
        raise Refused(
            f"{begin!r} is the beginning of {len(found)} clusters; new events change "
            "them: list them again"
        )
    return found[0], name
