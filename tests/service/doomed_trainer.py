"""Trainers that are killed (SIGKILL) at given steps, one after another.

python -m tests.service.doomed_trainer DATABASE_URL FOLDER

Each line on standard input is a step; the answer is how that trainer ended.  They are
forks of one process, which has imported everything: that takes longer than a training.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.service.jobs import publish, trainer, training
from app.store import jobs
from app.store.artefacts import Artefacts

PACE = trainer.Pace(poll=0.2, heartbeat=0.2, stalled=0.8, report=0.1, grace=0.5)


def die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def then_die(act: Callable[..., Any]) -> Callable[..., Any]:
    async def wrapped(*args: Any, **kwargs: Any) -> None:
        await act(*args, **kwargs)
        die()

    return wrapped


STEPS: dict[str, Callable[[], None]] = {
    "reading": lambda: setattr(training, "read", die),
    "learning": lambda: setattr(training, "challenge", die),
    "keeping": lambda: setattr(publish, "best", die),  # files are there, no row is
    "committing": lambda: setattr(jobs, "finish", then_die(jobs.finish)),
    "committed": lambda: setattr(training, "publish", then_die(training.publish)),
}


if __name__ == "__main__":
    database_url, folder = sys.argv[1:]
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os.dup2(2, 1)  # its log is no answer
            STEPS[line.strip()]()
            asyncio.run(trainer.run(database_url, Artefacts(Path(folder)), pace=PACE))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()
