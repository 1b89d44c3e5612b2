"""`onset devices`, `pause`, `resume`, `release`: which there are, and what they do."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli import configuration
from app.cli.options import AsJson, Reason, Url
from app.cli.rest import Refused, Service
from app.cli.tables import show_answer, show_rows

Device = Annotated[str, typer.Argument(help="Id of the device.")]

devices = typer.Typer(
    invoke_without_command=True, help="Which devices there are; to add and delete them."
)


@devices.callback()
def list_(asked_for: typer.Context, as_json: AsJson = False, url: Url = None) -> None:
    """List devices, by id."""
    if asked_for.invoked_subcommand:
        return
    found = Service.of(configuration.load(), url).items("/devices", {"limit": 200})
    columns = {"device": "id", "profile": "profile", "last seen": "last_seen"}
    columns |= {"since": "created_at", "paused": "paused.reason"}
    show_rows(found, columns, as_json=as_json)


@devices.command("show")
def show_(device: Device, as_json: AsJson = False, url: Url = None) -> None:
    """Say what there is to say of a device."""
    service = Service.of(configuration.load(), url)
    show_answer(service.call("GET", f"/devices/{device}"), as_json=as_json)


@devices.command()
def add(
    device: Device,
    profile: Annotated[str, typer.Argument(help="What kind of device it is.")],
    url: Url = None,
) -> None:
    """Register a device, or give it another profile; `keys device` makes a key."""
    service = Service.of(configuration.load(), url)
    service.call("PUT", f"/devices/{device}", json={"profile": profile})
    typer.echo(f"{device}: {profile}")


@devices.command()
def delete(
    device: Device,
    yes: Annotated[bool, typer.Option("--yes", help="Yes, with all its data.")] = False,
    url: Url = None,
) -> None:
    """Delete a device with its events, labels, recordings and keys, for good."""
    if not yes:
        raise Refused(f"all data of {device} would be gone: say --yes")
    Service.of(configuration.load(), url).call("DELETE", f"/devices/{device}")
    typer.echo(f"{device} is gone")


@devices.command()
def readings(
    device: Device,
    boot: Annotated[str, typer.Argument(help="Which stream of it.")],
    first: Annotated[int, typer.Argument(min=1, help="The first reading.")],
    following: Annotated[int, typer.Argument(min=2, help="The one after the last.")],
    url: Url = None,
) -> None:
    """Print recorded readings of a stream, as JSON."""
    service = Service.of(configuration.load(), url)
    asked = {"boot": boot, "first_seq": first, "next_seq": following}
    said = service.call("GET", f"/devices/{device}/readings", params=asked)
    show_answer(said, as_json=True)


def pause(device: Device, reason: Reason = "by hand", url: Url = None) -> None:
    """Take no more readings of a device; it keeps them."""
    service = Service.of(configuration.load(), url)
    said = service.call("POST", f"/devices/{device}/pause", json={"reason": reason})
    held = said["paused"]
    typer.echo(f"{device} is paused by {held['by']}: {held['reason']}")


def resume(device: Device, url: Url = None) -> None:
    """Take readings of a device again; it goes on where it was."""
    Service.of(configuration.load(), url).call("POST", f"/devices/{device}/resume")
    typer.echo(f"{device} goes on")


def release(device: Device, reason: Reason = "by hand", url: Url = None) -> None:
    """Let a device go by its profile's champion again, not by a model of its own."""
    service = Service.of(configuration.load(), url)
    said = service.call("POST", f"/devices/{device}/release", json={"reason": reason})
    typer.echo(f"version {said['version']} serves {device}, as all of its profile")
