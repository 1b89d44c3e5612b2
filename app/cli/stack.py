"""A whole Onset, scaled down, with a database of its own, in a folder that is deleted.

Postgres -> tables -> service + trainer -> (ready) -> ... -> all gone
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from app.cli import configuration
from app.cli.database import CLUSTER, upgrade
from app.cli.live import Board
from app.cli.processes import Keeper, Program, last_line
from app.errors import Unavailable
from app.settings import Settings
from app.store.embedded.postgres import EmbeddedPostgres

READY_SECONDS = 120.0
LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Stack:
    """Where it answers, and the key to it."""

    url: str
    key: str


@contextlib.asynccontextmanager
async def scaled_down() -> AsyncIterator[Stack]:
    """Run database, service and trainer of their own, for as long as the context lasts.

    Nothing of the data folder or `DATABASE_URL` of the settings is touched.

    Raises
    ------
    Unavailable
        If one of them does not start.
    """
    with tempfile.TemporaryDirectory(prefix="onset-verify-") as name:
        folder = Path(name)
        # PostgreSQL runs as another account when we are root
        os.chmod(name, 0o755)
        settings = configuration.load().model_copy(
            update={
                "data_dir": folder / "data",
                "models_dir": folder / "models",
                "host": "127.0.0.1",
                "port": _free_port(),
                "admin_key": None,
            }
        )
        with EmbeddedPostgres(settings.data_dir / CLUSTER) as server:
            upgrade(server.url)
            mine = settings.model_copy(update={"database_url": SecretStr(server.url)})
            async with _running(mine) as stack:
                yield stack


@contextlib.asynccontextmanager
async def _running(settings: Settings) -> AsyncIterator[Stack]:
    environment = configuration.environment(settings)
    environment.pop(configuration.variable("admin_key"), None)
    logs = settings.data_dir / "logs"
    keepers = [
        Keeper(
            Program(name, (name,), environment, logs / f"{name}.log", again=False),
            lambda _: None,
        )
        for name in ("serve", "trainer")
    ]
    tasks = [asyncio.create_task(keeper.run()) for keeper in keepers]
    try:
        url = configuration.address(settings)
        await _ready(url, tasks, logs / "serve.log")
        key = configuration.admin_key(settings)
        if key is None:
            raise Unavailable("the service left no admin key")
        yield Stack(url, key)
    finally:
        for keeper in keepers:
            await keeper.stop()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _ready(url: str, tasks: list[asyncio.Task[int]], log: Path) -> None:
    board = Board(url)
    deadline = time.monotonic() + READY_SECONDS
    try:
        while not await board.ready():
            ended = any(task.done() for task in tasks)
            if ended or time.monotonic() > deadline:
                raise Unavailable(
                    f"the service does not become ready: {last_line(log)}"
                )
            await asyncio.sleep(LOOK_SECONDS)
    finally:
        await board.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
