"""Work that goes on beside the requests: kept alive, and loud when it dies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from app.store.engine import AWAY

log = structlog.get_logger()

RESTART_SECONDS = 1.0
FRESH_SECONDS = 10.0


class Background:
    """Runs endless coroutines; one that fails is logged and started again.

    Use as an async context manager: leaving it cancels all of them and waits.
    """

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []
        self._failed: dict[str, tuple[float, str]] = {}

    def start(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work()` for ever."""
        self._tasks.append(asyncio.create_task(self._keep(name, work), name=name))

    def problems(self) -> list[str]:
        """Say which work failed within the last seconds."""
        since = time.monotonic() - FRESH_SECONDS
        return [
            f"{name}: {why}"
            for name, (at, why) in sorted(self._failed.items())
            if at > since
        ]

    async def __aenter__(self) -> Background:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
                log.warning("background_work_ended", name=name)
            except Exception as error:
                why = type(error).__name__
                self._failed[name] = (time.monotonic(), why)
                if isinstance(error, AWAY):
                    log.warning("database_away", name=name, error=why)
                else:
                    log.exception("background_work_failed", name=name)
            await asyncio.sleep(RESTART_SECONDS)
