"""`onset keys`: who may do what."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from app.cli import configuration
from app.cli.options import Url
from app.cli.rest import Service
from app.cli.tables import show

keys = typer.Typer(no_args_is_help=True, help="Who may do what.")


@keys.command("list")
def list_(url: Url = None) -> None:
    """List the keys; secrets are not kept, so they cannot be shown."""
    service = Service.of(configuration.load(), url)
    table = Table("id", "role", "name", "reaches", "expires", "revoked")
    columns = ("id", "role", "name", "reaches", "expires_at", "revoked_at")
    for key in service.items("/keys"):
        key["reaches"] = key["device"] or ", ".join(key["profiles"] + key["devices"])
        table.add_row(*(str(key.get(column) or "-") for column in columns))
    show(table)


@keys.command()
def create(
    role: Annotated[str, typer.Argument(help="viewer, labeler, operator or admin.")],
    name: Annotated[str, typer.Option(help="Whose it is.")],
    profile: Annotated[
        list[str] | None,
        typer.Option(help="Only this profile, or acme-*; as often as you like."),
    ] = None,
    device: Annotated[
        list[str] | None,
        typer.Option(help="Only this device, or a pattern; as often as you like."),
    ] = None,
    url: Url = None,
) -> None:
    """Make a key for a person or a service; it is shown this once."""
    service = Service.of(configuration.load(), url)
    body = {"role": role, "name": name}
    limits = {"profiles": profile or [], "devices": device or []}
    typer.echo(service.call("POST", "/keys", json=body | limits)["key"])


@keys.command()
def device(
    device_id: Annotated[str, typer.Argument(metavar="DEVICE")], url: Url = None
) -> None:
    """Make a key for a registered device; it is shown this once."""
    service = Service.of(configuration.load(), url)
    typer.echo(service.call("POST", f"/devices/{device_id}/keys", json={})["key"])


@keys.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID")], url: Url = None
) -> None:
    """Take a key away; what is connected with it is cut off."""
    Service.of(configuration.load(), url).call("DELETE", f"/keys/{key_id}")
    typer.echo(f"{key_id} is revoked")
