"""`onset mqtt`: devices that publish to an MQTT broker stream to Onset."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import Annotated

import msgspec
import typer
from prometheus_client import start_http_server

from app.bridge.mqtt import Bridge, Broker
from app.bridge.streams import Streams
from app.bridge.topics import Topics
from app.cli import configuration, logs, options
from app.cli.rest import Service
from app.client import Onset
from app.errors import Unauthenticated
from app.store import private

KEYS = "mqtt-keys.json"
PASSWORD = "ONSET_MQTT_PASSWORD"


def mqtt(
    broker: Annotated[str, typer.Argument(help="mqtt://user@host:1883, or mqtts://")],
    readings: Annotated[
        str, typer.Option(help="Topics of devices; one level is {device}.")
    ] = "devices/{device}/readings",
    events: Annotated[
        str, typer.Option(help="Where what is found is published; '': nowhere.")
    ] = "devices/{device}/events",
    profile: Annotated[
        str | None,
        typer.Option(help="Of devices that are not registered; default: refused."),
    ] = None,
    client_id: Annotated[
        str, typer.Option(help="The broker keeps what this one missed.")
    ] = "onset",
    most_devices: Annotated[
        int, typer.Option(min=1, help="Further ones are refused.")
    ] = 1000,
    metrics_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Serve /metrics there.")
    ] = None,
    url: options.Url = None,
) -> None:
    """Stream what devices publish to an MQTT broker, and publish what is found."""
    settings = configuration.load()
    address = Broker.at(broker, os.environ.get(PASSWORD))
    said, found = Topics(readings), Topics(events) if events else None
    service = Service.of(settings, url)
    if service.key is None:
        raise Unauthenticated("no key: set ONSET_KEY to an operator's")
    kept = settings.data_dir / KEYS
    keys: dict[str, str] = {}
    if kept.exists():
        keys = msgspec.json.decode(kept.read_bytes(), type=dict[str, str])

    async def work() -> None:
        async with Onset(service.url, service.key) as onset:
            opened = Streams(
                onset,
                service.url,
                keys,
                lambda made: private.write(kept, msgspec.json.encode(made).decode()),
                profile,
            )
            made = Bridge(
                address,
                client_id,
                said,
                found,
                opened.open,
                most_devices=most_devices,
            )
            if metrics_port is not None:
                start_http_server(
                    metrics_port, settings.host, registry=made.counts.registry
                )
            running = asyncio.current_task()
            for number in (signal.SIGINT, signal.SIGTERM):
                if running is not None:
                    asyncio.get_running_loop().add_signal_handler(
                        number, running.cancel
                    )
            with contextlib.suppress(asyncio.CancelledError):
                await made.run()

    logs.configure(settings.log_level)
    asyncio.run(work())
