"""`onset verify`: whether what is stored can be found again."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from app.cli import configuration
from app.cli.jobs import finished
from app.cli.options import AsJson, Url
from app.cli.rest import Service


def verify(
    profile: Annotated[str, typer.Argument(metavar="PROFILE")],
    device: Annotated[str | None, typer.Option(help="Of this device only.")] = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Find stored events and predictions again, exactly; exit code 1 if any differs."""
    service = Service.of(configuration.load(), url)
    asked = {"profile": profile} | ({} if device is None else {"device": device})
    job = service.call("POST", "/verify", json=asked)
    result = finished(service, job["id"], quiet=as_json)["result"]
    if as_json:
        typer.echo(msgspec.json.encode(result))
    else:
        _tell(result)
    if result["differ"]:
        raise typer.Exit(1)


def _tell(result: dict[str, Any]) -> None:
    for one in result["differences"]:
        where = f"{one['device']}/{one['boot']} reading {one['onset_seq']}"
        typer.echo(f"{one['what']} {one['event']} ({where}): {one['why']}")
    more = result["differ"] - len(result["differences"])
    if more:
        typer.echo(f"... and {more} more")
    if not result["streams"]:
        typer.echo("no stream is recorded: events cannot be verified (record: true)")
    if result["events_not_recorded"]:
        n = result["events_not_recorded"]
        typer.echo(f"{n} events lie where not all readings were recorded")
    typer.echo(
        f"{result['verdict']}: {result['events_reproduced']} of {result['events']} "
        f"events in {result['streams']} recorded streams, "
        f"{result['predictions_reproduced']} of {result['predictions']} predictions"
    )
