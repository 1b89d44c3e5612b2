"""`onset jobs`: long work that the service does, and waiting for it."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from app.cli import configuration
from app.cli.options import AsJson, Url
from app.cli.rest import Refused, Service
from app.cli.tables import show_answer, show_rows

ENDED = ("succeeded", "failed", "cancelled")
POLL_SECONDS = 0.3

Tell = Callable[[float, str], None]

jobs = typer.Typer(
    invoke_without_command=True, help="Long work: how it stands, and to stop it."
)
Number = Annotated[int, typer.Argument(metavar="JOB")]


@jobs.callback()
def list_(
    asked_for: typer.Context,
    profile: Annotated[str | None, typer.Option(help="Of this profile only.")] = None,
    state: Annotated[
        str | None,
        typer.Option(help="queued, running, succeeded, failed or cancelled."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """List jobs, newest first."""
    if asked_for.invoked_subcommand:
        return
    service = Service.of(configuration.load(), url)
    asked = {"profile": profile, "state": state, "limit": min(limit, 200)}
    found = itertools.islice(service.items("/jobs", asked), limit)
    columns = {"job": "id", "kind": "kind", "profile": "profile", "state": "state"}
    columns |= {"done": "progress", "stage": "stage", "made": "created_at"}
    show_rows(found, columns | {"error": "error"}, as_json=as_json)


@jobs.command("show")
def show_(job: Number, as_json: AsJson = False, url: Url = None) -> None:
    """Say how a job stands, and what came of it."""
    service = Service.of(configuration.load(), url)
    show_answer(service.call("GET", f"/jobs/{job}"), as_json=as_json)


@jobs.command()
def cancel(job: Number, url: Url = None) -> None:
    """Ask a job to stop."""
    said = Service.of(configuration.load(), url).call("DELETE", f"/jobs/{job}")
    typer.echo(f"job {job}: {said['state']}")


def finished(service: Service, job_id: int, *, quiet: bool = False) -> dict[str, Any]:
    """Wait for a job, telling its stages, and return it.

    Raises
    ------
    Refused
        If it failed or was cancelled.
    """
    with telling(quiet=quiet) as tell:
        while True:
            job: dict[str, Any] = service.call("GET", f"/jobs/{job_id}")
            tell(job["progress"], f"{job['state']} {job['stage'] or ''}".rstrip())
            if job["state"] in ENDED:
                break
            time.sleep(POLL_SECONDS)
    if job["state"] != "succeeded":
        raise Refused(f"the job {job['state']}: {job['error'] or 'no reason given'}")
    return job


@contextmanager
def telling(*, quiet: bool = False) -> Iterator[Tell]:
    """Show how far work is: a bar on a terminal, a line for each stage elsewhere.

    Parameters
    ----------
    quiet : bool
        Say nothing: what is written is for a program.
    """
    if quiet:
        yield lambda _share, _stage: None
    elif sys.stdout.isatty():
        columns = (
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
        )
        with Progress(*columns, console=Console()) as shown:
            task = shown.add_task("", total=1.0)
            yield lambda share, stage: shown.update(
                task, completed=share, description=stage
            )
    else:
        last = ""

        def tell(share: float, stage: str) -> None:
            nonlocal last
            if stage != last:
                typer.echo(f"{share:4.0%} {stage}")
            last = stage

        yield tell
