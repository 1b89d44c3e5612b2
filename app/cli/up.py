"""`onset up`: everything on this machine, by one command, gone with one Ctrl-C.

    Postgres -> tables -> service + trainer -> (ready) -> devices + operator -> table

Postgres is a child of this process; so are the service, the trainer and the devices,
each of which is started again when it crashes.  They stop in the opposite order.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import SecretStr
from rich.console import Console
from rich.live import Live
from rich.text import Text

from app.cli import configuration
from app.cli.database import embedded, running, upgrade
from app.cli.live import Board
from app.cli.options import (
    Again,
    Devices,
    Operator,
    OperatorParts,
    Pack,
    Recordings,
    Report,
    Seed,
    Speed,
)
from app.cli.processes import Keeper, Program, end_on_sigterm, last_line
from app.errors import InvalidInput, Unavailable
from app.settings import Settings
from app.store.embedded.postgres import EmbeddedPostgres

SHARE_OF_FOLDER = 1.0
SHARE_ENDLESS = 0.67
"""Some events stay unlabelled: there is something to label by hand."""
READY_SECONDS = 120.0
MOST_CRASHES = 2
"""So often the service may fail to start before we give up."""
FIRST_SECONDS = 0.1
LINE_SECONDS = {True: 1.0, False: 5.0}
"""How often the line is renewed: on a terminal, elsewhere."""


def up(
    recordings: Recordings = None,
    speed: Speed = None,
    devices: Devices = None,
    pack: Pack = None,
    operator: Operator = None,
    operator_parts: OperatorParts = "",
    seed: Seed = 1,
    again: Again = False,
    report: Report = None,
    port: Annotated[int | None, typer.Option(help="Port of the service.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Serving processes.")] = 1,
    exit_when_done: Annotated[
        bool, typer.Option("--exit-when-done", help="End when all has been played.")
    ] = False,
) -> None:
    """Run everything: Postgres, service, trainer, devices, dashboard.

    Without --recordings and --pack a smart watch's recordings are played.
    """
    began = time.monotonic()
    end_on_sigterm()
    if recordings is not None and not recordings.is_dir():
        raise InvalidInput(f"--recordings {recordings} is not a folder")
    settings = configuration.load(port=port)
    _port_must_be_free(settings)
    if operator is None:
        operator = SHARE_OF_FOLDER if recordings is not None else SHARE_ENDLESS
    said: dict[str, object] = {
        "--recordings": recordings,
        "--speed": speed,
        "--devices": devices,
        "--pack": pack,
        "--operator": operator,
        "--operator-parts": operator_parts or None,
        "--seed": seed,
        "--report": report,
    }
    words = [f"{name}={value}" for name, value in said.items() if value is not None]
    words += ["--again"] if again else []
    with _database(settings) as (url, server):
        settings = settings.model_copy(update={"database_url": SecretStr(url)})
        house = House(settings, server, workers, words if devices != 0 else None, began)
        code = asyncio.run(house.run(exit_when_done=exit_when_done))
    raise SystemExit(code)


class House:
    """All children of `onset up`, started and stopped in order."""

    def __init__(
        self,
        settings: Settings,
        server: EmbeddedPostgres | None,
        workers: int,
        simulate: list[str] | None,
        began: float,
    ) -> None:
        self._settings = settings
        self._server = server
        self._began = began
        self._console = Console(highlight=False, soft_wrap=True)
        environment = configuration.environment(settings)
        logs = settings.data_dir / "logs"
        serve = ("serve", f"--workers={workers}")
        self._serve = self._keeper("serve", serve, environment, logs)
        self._trainer = self._keeper("trainer", ("trainer",), environment, logs)
        self._simulate = simulate
        self._stop = asyncio.Event()

    async def run(self, *, exit_when_done: bool) -> int:
        """Keep everything running until somebody says stop; return the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop.set)
        stopped = asyncio.create_task(self._stop.wait())
        keepers = [self._serve, self._trainer]
        tasks: list[asyncio.Task[Any]] = [asyncio.create_task(k.run()) for k in keepers]
        code = 0
        try:
            key = await self._ready(stopped)
            if key is None:
                return 0
            board = Board(configuration.address(self._settings), key)
            tasks += [
                asyncio.create_task(t) for t in (self._show(board), self._tell(board))
            ]
            if self._server is not None:
                tasks.append(asyncio.create_task(self._revive(self._server)))
            if self._simulate is not None:
                devices = self._devices(key)
                keepers.insert(0, devices)
                playing = asyncio.create_task(devices.run())
                await asyncio.wait(
                    {playing, stopped}, return_when=asyncio.FIRST_COMPLETED
                )
                if playing.done():
                    code = self._over(playing.result(), exit_when_done)
                tasks.append(playing)
            if not exit_when_done or self._simulate is None:
                await stopped
        finally:
            for keeper in keepers[:-2]:  # the devices first, so that they can say end
                await keeper.stop()
            await asyncio.gather(self._serve.stop(), self._trainer.stop())
            for task in (*tasks, stopped):
                task.cancel()
            await asyncio.gather(*tasks, stopped, return_exceptions=True)
        return code

    def _keeper(
        self, name: str, words: tuple[str, ...], environment: dict[str, str], logs: Path
    ) -> Keeper:
        program = Program(name, words, environment, log=logs / f"{name}.log")
        return Keeper(program, self._say)

    def _devices(self, key: str) -> Keeper:
        environment = configuration.environment(self._settings) | {"ONSET_KEY": key}
        words = ("simulate", *(self._simulate or ()))
        return Keeper(Program("simulate", words, environment, again=False), self._say)

    def _over(self, code: int, exit_when_done: bool) -> int:
        if code:
            self._say(f"the devices ended with code {code}")
        elif not exit_when_done:
            self._say("all has been played; the service goes on until Ctrl-C")
        return 1 if code else 0

    async def _ready(self, stopped: asyncio.Task[bool]) -> str | None:
        """Wait until the service takes work; return the admin key, None if stopped."""
        address = configuration.address(self._settings)
        board = Board(address)
        deadline = time.monotonic() + READY_SECONDS
        try:
            while not (await board.ready()):
                if stopped.done():
                    return None
                if time.monotonic() > deadline or self._serve.crashes > MOST_CRASHES:
                    log = self._settings.data_dir / "logs" / "serve.log"
                    raise Unavailable(
                        f"the service does not become ready; {log} ends with: "
                        f"{last_line(log)}"
                    )
                await asyncio.sleep(FIRST_SECONDS)
        finally:
            await board.close()
        key = configuration.admin_key(self._settings)
        if key is None:
            raise Unavailable(
                f"no admin key: neither ONSET_ADMIN_KEY nor "
                f"{self._settings.data_dir / configuration.ADMIN_KEY_FILE} holds it"
            )
        self._say(f"Onset is ready: {address}/#key={key}")
        return key

    async def _tell(self, board: Board) -> None:
        """Say when the first event is stored."""
        while True:
            if await board.stored():
                seconds = time.monotonic() - self._began
                return self._say(f"first event stored {seconds:.1f} s after the start")
            await asyncio.sleep(FIRST_SECONDS)

    async def _show(self, board: Board) -> None:
        """Keep the line up to date."""
        terminal = self._console.is_terminal
        live = Live(console=self._console, auto_refresh=False, transient=True)
        with live if terminal else contextlib.nullcontext():
            while True:
                line = await board.line()
                if line and terminal:
                    live.update(Text(line, style="bold"), refresh=True)
                elif line:
                    self._say(line)
                await asyncio.sleep(LINE_SECONDS[terminal])

    async def _revive(self, server: EmbeddedPostgres) -> None:
        """Start Postgres again if it was killed; its data are all there."""
        while True:
            await asyncio.sleep(1.0)
            if not server.running:
                self._say("Postgres has gone; starting it again")
                try:
                    server.start()  # in this thread: it is to die with it
                except Unavailable as error:
                    self._say(str(error))

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False)
        sys.stdout.flush()


@contextlib.contextmanager
def _database(settings: Settings) -> Iterator[tuple[str, EmbeddedPostgres | None]]:
    url = running(settings)
    if url is not None:
        upgrade(url)
        yield url, None
        return
    with embedded(settings) as server:
        upgrade(server.url)
        yield server.url, server


def _port_must_be_free(settings: Settings) -> None:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise Unavailable(
                f"cannot listen on {settings.host} port {settings.port} "
                f"({error.strerror}): choose another ONSET_PORT"
            ) from error
