"""`onset retrain`, `promote`, `rollback`: which model serves, by hand."""

from __future__ import annotations

import time
from typing import Annotated

import msgspec
import typer

from app.cli import configuration
from app.cli.jobs import finished
from app.cli.options import AsJson, Url
from app.cli.rest import Refused, Service

SERVED_SECONDS = 10.0
"""Within which a process swaps to the champion that the ledger names."""


def retrain(
    profile: Annotated[str, typer.Argument()],
    mode: Annotated[
        str | None,
        typer.Option(help="auto, full, incremental or online; default: the profile's."),
    ] = None,
    promote: Annotated[
        str | None, typer.Option(help="auto or never; default: the profile's.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Stay until it is done, tell the verdict.")
    ] = False,
    url: Url = None,
) -> None:
    """Train a challenger from the labels there are."""
    service = Service.of(configuration.load(), url)
    asked = {"profile": profile, "mode": mode, "promote": promote}
    said = {name: value for name, value in asked.items() if value is not None}
    job = service.call("POST", "/retrain", json=said)
    typer.echo(f"job {job['id']}: {job['state']}")
    if wait:
        _follow(service, profile, job["id"])


def promote(
    version: Annotated[int, typer.Argument(help="Number of the model version.")],
    reason: Annotated[str, typer.Option(help="Kept in the ledger.")] = "by hand",
    url: Url = None,
) -> None:
    """Let a version serve."""
    service = Service.of(configuration.load(), url)
    service.call("POST", f"/models/{version}/promote", json={"reason": reason})
    typer.echo(f"version {version} serves")


def rollback(
    profile: Annotated[str, typer.Argument()],
    reason: Annotated[str, typer.Option(help="Kept in the ledger.")] = "by hand",
    url: Url = None,
) -> None:
    """Let the version serve that served before."""
    service = Service.of(configuration.load(), url)
    answer = service.call(
        "POST", f"/profiles/{profile}/rollback", json={"reason": reason}
    )
    typer.echo(f"version {answer['version']} serves")


def report(
    version: Annotated[int, typer.Argument(help="Number of the model version.")],
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of", help="As known then (RFC 3339); default: as known now."
        ),
    ] = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Tell what a version was worth, with the labels as known at a time."""
    service = Service.of(configuration.load(), url)
    asked = {} if as_of is None else {"as_of": as_of}
    said = service.call("GET", f"/models/{version}/report", params=asked)
    if as_json:
        typer.echo(msgspec.json.encode(said))
        return
    typer.echo(f"version {version} of {said['profile']}, as known {said['as_of']}")
    for name in ("holdout", "gold"):
        scores = said[name]
        if scores is not None:
            typer.echo(f"{name}: {scores['accuracy']:.3f} of {scores['n']} events")
    live, rows = said["served"], said["training"]
    typer.echo(f"live: {live['right']} of {live['n']} labelled answers were right")
    same = "what it learnt" if rows["same"] else f"{rows['n_changed']} labels differ"
    typer.echo(f"training set: {rows['rows']} rows, {rows['holdout']} held out: {same}")


def _follow(service: Service, profile: str, job_id: int) -> None:
    result = finished(service, job_id)["result"]
    if result["verdict"] in ("promote", "refresh"):
        _await_champion(service, profile)
    typer.echo(
        f"version {result['model_version']}: {result['verdict']}: {result['reason']}"
    )


def _await_champion(service: Service, profile: str) -> None:
    """Wait until the process that answers serves a champion, as it soon will."""
    deadline = time.monotonic() + SERVED_SECONDS
    while time.monotonic() < deadline:
        try:
            service.call("GET", f"/v2/models/{profile}/ready")
        except Refused:
            time.sleep(0.1)
        else:
            return
