"""`onset canary`: let a version serve a share of the devices first."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli import configuration
from app.cli.models import Version
from app.cli.options import AsJson, Reason, Url
from app.cli.rest import Service
from app.cli.tables import show_answer


def canary(
    version: Version,
    share: Annotated[
        float | None,
        typer.Option(help="Serve this share of the devices: above 0, below 1."),
    ] = None,
    end: Annotated[
        bool, typer.Option("--end", help="Let the champion serve them again.")
    ] = False,
    reason: Reason = "by hand",
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Say how a version does on its share of the devices; begin, widen and end that.

    `onset promote` gives it to all of them.
    """
    service = Service.of(configuration.load(), url)
    path = f"/models/{version}/canary"
    if share is not None and end:
        raise typer.BadParameter("--share begins a canary, --end ends it")
    if share is not None:
        said = service.call("POST", path, json={"share": share, "reason": reason})
    elif end:
        said = service.call("DELETE", path)
    else:
        said = service.call("GET", path)
    if as_json:
        show_answer(said, as_json=True)
    else:
        typer.echo(said["sentence"])
