"""`onset pause`, `resume`, `release`: a device's readings, and a model of its own."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli import configuration
from app.cli.options import Reason, Url
from app.cli.rest import Service

Device = Annotated[str, typer.Argument(help="Id of the device.")]


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
