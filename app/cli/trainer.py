"""`onset trainer`: the training worker, never in the serving process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

from threadpoolctl import threadpool_limits

from app.cli import configuration, logs
from app.cli.database import available
from app.cli.processes import die_with_parent, end_on_sigterm
from app.service.jobs import trainer as worker
from app.settings import Settings
from app.store.artefacts import Artefacts

NICENESS = 10
"""Training takes what serving leaves."""


def trainer() -> None:
    """Run the training worker: policies, retrain jobs, verdicts."""
    die_with_parent()
    end_on_sigterm()
    os.nice(NICENESS)
    settings = configuration.load()
    logs.configure(settings.log_level)
    with available(settings) as url, threadpool_limits(1):
        asyncio.run(_work(url, settings))


async def _work(url: str, settings: Settings) -> None:
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        if task is not None:
            loop.add_signal_handler(number, task.cancel)
    pace = worker.Pace(cooldown=settings.retrain_cooldown_seconds)
    with contextlib.suppress(asyncio.CancelledError):
        await worker.run(
            url,
            Artefacts(settings.models_dir),
            pace=pace,
            kept=settings.prediction_log,
        )
