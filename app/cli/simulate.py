"""`onset simulate`: devices that are not there, and a person who labels."""

from __future__ import annotations

import asyncio
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from app.cli import configuration, options
from app.cli.processes import die_with_parent
from app.cli.rest import Service
from app.cli.tables import show
from app.errors import InvalidInput, Unauthenticated, Unavailable
from app.simulate import sources
from app.simulate.player import Line
from app.simulate.report import HEADINGS, Played, cells, rows, to_json
from app.simulate.run import Run, Wish
from app.simulate.signals import pack as find_pack

DEFAULT_DEVICES = 4
DEMO_SPEED = 4.0
FALLBACK_PACK = "arm-band"


def simulate(
    recordings: options.Recordings = None,
    speed: options.Speed = None,
    devices: options.Devices = None,
    pack: options.Pack = None,
    operator: options.Operator = None,
    operator_parts: options.OperatorParts = "",
    seed: options.Seed = 1,
    again: options.Again = False,
    operator_delay: Annotated[
        float, typer.Option(min=0, help="Seconds from an event's end to its label.")
    ] = 3.0,
    wait: Annotated[
        bool, typer.Option(help="Let the trainer catch up before unlabelled parts.")
    ] = True,
    channels: Annotated[
        str, typer.Option(help="Of recordings: the columns to play, with commas.")
    ] = "",
    profile: Annotated[
        str | None, typer.Option(help="Default: the folder's or pack's name.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(min=0.001, help="Of a pack: readings per second.")
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=1, help="Of a pack: length of one boot.")
    ] = 600.0,
    parts: Annotated[
        int, typer.Option(min=0, help="Of a pack: boots of a device; 0: for ever.")
    ] = 0,
    drift: Annotated[
        float,
        typer.Option(min=0, max=1, help="Of a pack: how far classes change places."),
    ] = 0.0,
    faults: Annotated[float, typer.Option(min=0, help="Faults per minute.")] = 0.0,
    start: Annotated[
        datetime | None, typer.Option(help="Time of the first reading (UTC).")
    ] = None,
    report: options.Report = None,
    url: options.Url = None,
) -> None:
    """Play recordings or synthetic signals as devices, with planted faults."""
    die_with_parent()
    settings = configuration.load()
    service = Service.of(settings, url)
    if service.key is None:
        raise Unauthenticated(
            "no key: set ONSET_KEY to an operator's, or work in the service's data "
            "folder (ONSET_DATA_DIR)"
        )
    named = _words(operator_parts)
    if recordings is not None:
        source = sources.folder(
            recordings,
            profile=profile,
            channels=_words(channels),
            named_parts=named,
            devices=devices,
        )
    elif pack is None and (demo := _demo(seed, profile, devices)) is not None:
        source, speed = demo, speed or DEMO_SPEED
    else:
        source = sources.synthetic(
            find_pack(pack or FALLBACK_PACK),
            seed=seed,
            profile=profile,
            devices=devices or DEFAULT_DEVICES,
            rate_hz=rate,
            seconds=seconds,
            parts=parts,
            drift=drift,
            named_parts=named,
        )
    run = f"{datetime.now(UTC):%Y%m%dT%H%M%S}" if again else ""
    wish = Wish(
        source,
        Line(service.url, speed or 1.0, run, sources.faulty(faults, seed)),
        service.key,
        share=operator or 0.0,
        delay_seconds=operator_delay,
        start=start.replace(tzinfo=UTC).timestamp() if start else None,
        wait=wait,
    )
    played = asyncio.run(_play(Run(wish, typer.echo)))
    if played is not None:
        _tell(played, report)


async def _play(run: Run) -> list[Played] | None:
    """Play until the end, or until somebody says stop: then None."""
    playing = asyncio.create_task(run.play())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, playing.cancel)
    try:
        return await playing
    except asyncio.CancelledError:
        return None


def _demo(seed: int, profile: str | None, devices: int | None) -> sources.Source | None:
    try:
        return sources.demo(
            seed=seed, profile=profile, devices=devices or DEFAULT_DEVICES
        )
    except Unavailable as error:
        typer.echo(f"{error}; playing {FALLBACK_PACK} signals instead")
        return None


def _tell(played: list[Played], report: Path | None) -> None:
    lines = rows(played)
    if lines:
        table = Table(*HEADINGS)
        for line in lines:
            table.add_row(*cells(line))
        show(table)
    if report is not None:
        try:
            report.write_bytes(msgspec.json.encode(to_json(lines)))
        except OSError as error:
            raise InvalidInput(f"--report {report}: {error.strerror}") from error


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
