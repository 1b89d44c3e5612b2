"""`onset webhooks`: who is told of what happens, and whether it arrived."""

from __future__ import annotations

import itertools
from typing import Annotated

import typer

from app.cli import configuration
from app.cli.options import AsJson, Url
from app.cli.rest import Service
from app.cli.tables import show_rows

webhooks = typer.Typer(
    invoke_without_command=True, help="Who is told of what happens, and if it arrived."
)
Number = Annotated[int, typer.Argument(metavar="WEBHOOK")]


@webhooks.callback()
def list_(asked_for: typer.Context, as_json: AsJson = False, url: Url = None) -> None:
    """List webhooks; secrets are shown once, when one is made."""
    if asked_for.invoked_subcommand:
        return
    found = Service.of(configuration.load(), url).items("/webhooks")
    columns = {"webhook": "id", "url": "url", "types": "types", "profile": "profile"}
    columns |= {"failing since": "failing_since", "disabled": "disabled"}
    show_rows(found, columns, as_json=as_json)


@webhooks.command()
def add(
    to: Annotated[str, typer.Argument(metavar="URL", help="Who is told.")],
    of: Annotated[
        list[str] | None,
        typer.Option(help="onset.event, onset.model, onset.alert or onset.drift."),
    ] = None,
    profile: Annotated[str | None, typer.Option(help="Of this profile only.")] = None,
    url: Url = None,
) -> None:
    """Tell a URL of what happens; the secret of its signatures is shown this once."""
    asked = {"url": to, "profile": profile} | ({"types": of} if of else {})
    made = Service.of(configuration.load(), url).call("POST", "/webhooks", json=asked)
    typer.echo(f"webhook {made['id']}: {' '.join(made['types'])}")
    typer.echo(made["secret"])


@webhooks.command()
def remove(webhook: Number, url: Url = None) -> None:
    """Forget a webhook and what it is owed."""
    Service.of(configuration.load(), url).call("DELETE", f"/webhooks/{webhook}")
    typer.echo(f"webhook {webhook} is gone")


@webhooks.command()
def enable(webhook: Number, url: Url = None) -> None:
    """Send again to a webhook that was given up."""
    service = Service.of(configuration.load(), url)
    service.call("POST", f"/webhooks/{webhook}/enable")
    typer.echo(f"webhook {webhook} is sent to again")


@webhooks.command()
def deliveries(
    webhook: Number,
    state: Annotated[
        str | None, typer.Option(help="waiting, delivered or failed.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """List what a webhook was sent and is owed, newest first."""
    service = Service.of(configuration.load(), url)
    asked = {"state": state, "limit": min(limit, 200)}
    found = service.items(f"/webhooks/{webhook}/deliveries", asked)
    columns = {"delivery": "id", "message": "message", "type": "type"}
    columns |= {"state": "state", "tries": "attempts", "status": "status"}
    columns |= {"made": "created_at", "error": "error"}
    show_rows(itertools.islice(found, limit), columns, as_json=as_json)


@webhooks.command()
def resend(
    webhook: Number,
    delivery: Annotated[int, typer.Argument(help="Number of the delivery.")],
    url: Url = None,
) -> None:
    """Send a delivery once more."""
    service = Service.of(configuration.load(), url)
    service.call("POST", f"/webhooks/{webhook}/deliveries/{delivery}/resend")
    typer.echo(f"delivery {delivery} is sent once more")
