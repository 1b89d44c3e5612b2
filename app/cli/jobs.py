"""Waiting for long work that the service does."""

from __future__ import annotations

import time
from typing import Any

import typer

from app.cli.rest import Refused, Service

ENDED = ("succeeded", "failed", "cancelled")
POLL_SECONDS = 0.3


def finished(service: Service, job_id: int, *, quiet: bool = False) -> dict[str, Any]:
    """Wait for a job, telling its stages, and return it.

    Raises
    ------
    Refused
        If it failed or was cancelled.
    """
    shown = None
    while True:
        job: dict[str, Any] = service.call("GET", f"/jobs/{job_id}")
        now = (job["state"], job["stage"])
        if now != shown and not quiet:
            typer.echo(f"{job['progress']:4.0%} {job['state']} {job['stage'] or ''}")
        shown = now
        if job["state"] in ENDED:
            break
        time.sleep(POLL_SECONDS)
    if job["state"] != "succeeded":
        raise Refused(f"the job {job['state']}: {job['error'] or 'no reason given'}")
    return job
