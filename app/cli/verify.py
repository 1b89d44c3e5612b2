"""`onset verify`: whether what is stored can be found again, and faults do no harm."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from app.cli import configuration
from app.cli.jobs import finished
from app.cli.options import AsJson, Url
from app.cli.processes import end_on_sigterm
from app.cli.rest import Refused, Service
from app.cli.stack import scaled_down
from app.simulate import trial
from app.simulate.catalogue import CATALOGUE


def verify(
    profile: Annotated[
        str | None,
        typer.Argument(help="Whose stored events; none: the fault catalogue."),
    ] = None,
    device: Annotated[str | None, typer.Option(help="Of this device only.")] = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Find stored events and predictions again, exactly; exit code 1 if any differs.

    Without a PROFILE, devices stream with each fault of the catalogue, and what comes
    of it is held against what must: in an Onset of its own, with a database of its own,
    that is gone afterwards, or with --url in a running one.
    """
    if profile is None:
        if device is not None:
            raise Refused("--device is one of a profile: name the PROFILE")
        _faults(url, as_json=as_json)
        return
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


def _faults(url: str | None, *, as_json: bool) -> None:
    """Run the fault catalogue; exit code 1 if a case is not as expected."""
    end_on_sigterm()
    outcomes = asyncio.run(_tried(url, quiet=as_json))
    if as_json:
        said = [
            {
                "fault": str(one.case.name),
                "expected": one.case.expected,
                "problems": one.problems,
            }
            for one in outcomes
        ]
        typer.echo(msgspec.json.encode(said))
    else:
        _table(outcomes)
    if any(one.problems for one in outcomes):
        raise typer.Exit(1)


async def _tried(url: str | None, *, quiet: bool) -> list[trial.Outcome]:
    if url is not None:
        service = Service.of(configuration.load(), url)
        return await trial.run(service.url, service.key or "")
    if not quiet:
        typer.echo("starting an Onset of its own, with a database of its own")
    async with scaled_down() as stack:
        if not quiet:
            typer.echo(f"{len(CATALOGUE)} devices stream, each with its fault")
        return await trial.run(stack.url, stack.key)


def _table(outcomes: Sequence[trial.Outcome]) -> None:
    table = Table("fault", "expected", "", "what is not so", box=None, pad_edge=False)
    for one in outcomes:
        word = "FAILED" if one.problems else "ok"
        problems = "; ".join(one.problems)
        table.add_row(str(one.case.name), one.case.expected, word, problems)
    Console(soft_wrap=True, highlight=False).print(table)
    good = sum(not one.problems for one in outcomes)
    typer.echo(f"{good} of {len(outcomes)} faults do what they must")
