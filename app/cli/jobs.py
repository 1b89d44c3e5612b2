"""Waiting for long work that the service does."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from app.cli.rest import Refused, Service

ENDED = ("succeeded", "failed", "cancelled")
POLL_SECONDS = 0.3

Tell = Callable[[float, str], None]


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
