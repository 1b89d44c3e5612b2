"""`onset serve`: the service, in one process or several that share the port."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from typing import Annotated

import typer
from pydantic import SecretStr

from app import main as service
from app.cli import configuration, logs
from app.cli.database import available
from app.cli.processes import Keeper, Program, die_with_parent, end_on_sigterm
from app.errors import Unavailable
from app.settings import Settings


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes on the port.")] = 1,
    shared: Annotated[bool, typer.Option("--shared", hidden=True)] = False,
) -> None:
    """Run the service: device sockets, REST, live feed, dashboard."""
    die_with_parent()
    end_on_sigterm()
    settings = configuration.load(host=host, port=port)
    logs.configure(settings.log_level)
    with available(settings) as url:
        settings = settings.model_copy(update={"database_url": SecretStr(url)})
        os.environ.update(configuration.environment(settings))
        try:
            if workers > 1:
                asyncio.run(_serve_together(settings, workers))
            else:
                _serve_alone(settings, shared=shared)
        except KeyboardInterrupt:
            return


def _serve_alone(settings: Settings, *, shared: bool) -> None:
    listener = _shared_socket(settings) if shared else None
    if not service.serve(settings, listener):
        raise Unavailable("the service did not start; the lines above say why")


async def _serve_together(settings: Settings, workers: int) -> None:
    if settings.port == 0:
        raise Unavailable("several workers need a port that is not 0")
    program = Program(
        "worker", ("serve", "--shared"), configuration.environment(settings)
    )
    keepers = [Keeper(program, _say) for _ in range(workers)]
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    running = [asyncio.create_task(keeper.run()) for keeper in keepers]
    await stop.wait()
    await asyncio.gather(*(keeper.stop() for keeper in keepers))
    await asyncio.gather(*running)


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _shared_socket(settings: Settings) -> socket.socket:
    """Listen beside the other workers; the kernel shares the connections out."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((settings.host, settings.port))
    listener.set_inheritable(True)
    return listener
