"""From an event's last reading to the alert at a webhook's receiver.

    python -m benchmarks.alerts [--events 200] [--devices 4]

Starts a service and a trainer of its own over an embedded PostgreSQL (fsync on) and a
receiver on this machine, makes a rule on events and one on predictions, and streams
events.  The clock starts when the reading that makes an event final is handed to the
socket, and stops when the receiver has the alert: detection, prediction, commit, rule
and delivery included.  Rules have a cooldown of a second, so not every event is told.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from typing import Any

from websockets.asyncio.client import connect

from app.client import Onset
from benchmarks.latency import CHANNELS, RATE_HZ, Device, history, percentiles
from benchmarks.place import KEY, place

RULES = {"event": "rule on events", "prediction": "rule on predictions"}


class Watched(Device):
    """A device that notes which reading made which event final."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.final: dict[str, float] = {}

    async def listen(self) -> None:
        """Note when each final prediction was decided."""
        async for frame in self.line:
            message = json.loads(frame)
            if message["type"] == "prediction" and not message["provisional"]:
                self.final[message["event"]] = self.sent[-1][1]


class Receiver:
    """Takes alerts, and notes when."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str, float]] = []

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Take one."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        said = json.loads(await reader.readexactly(length))["data"]
        self.got.append((said["on"], said["event"], time.perf_counter()))
        writer.write(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()


async def measure(url: str, events: int, n_devices: int) -> None:
    """Print the table."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with Onset(url, KEY) as api, server:
        channels = [{"name": f"c{n}"} for n in range(CHANNELS)]
        policy = {"every_labels": None}
        await api.put_profile(
            "bench", {"channels": channels, "rate_hz": RATE_HZ, "retrain": policy}
        )
        await history(api)
        await asyncio.sleep(6)  # the service has looked for the champion
        hook = {"url": f"http://127.0.0.1:{port}/", "types": ["onset.alert"]}
        await api.call("POST", "/webhooks", json=hook)
        for on, name in RULES.items():
            await api.add_alert_rule(name, on, cooldown_seconds=1.0)
        devices = []
        for n in range(n_devices):
            await api.put_device(f"d{n}", "bench")
            key = await api.device_key(f"d{n}")
            line = await connect(
                f"{url.replace('http', 'ws')}/devices/d{n}/stream",
                additional_headers={"Authorization": f"Bearer {key}"},
                compression=None,
            )
            await line.send(json.dumps({"type": "hello", "boot": "b"}))
            await line.recv()
            devices.append(Watched(line, n))
        listening = [asyncio.create_task(device.listen()) for device in devices]
        await asyncio.gather(*(_stream(d, events // n_devices) for d in devices))
        await asyncio.sleep(3)
        for task in listening:
            task.cancel()
        final = {event: at for d in devices for event, at in d.final.items()}
        print(f"{len(final)} events, {n_devices} devices")
        for on, name in RULES.items():
            waits = [
                at - final[event]
                for kind, event, at in receiver.got
                if kind == on and event in final
            ]
            print(f"{name:22}{percentiles(waits)}")
        for device in devices:
            await device.line.close()


async def _stream(device: Watched, events: int) -> None:
    for _ in range(events):
        await device.event(pause=0.002)
        await asyncio.sleep(0.7)


def main() -> None:
    """Start everything, measure, stop everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=200)
    parser.add_argument("--devices", type=int, default=4)
    asked = parser.parse_args()
    with place("trainer", ONSET_WEBHOOKS_ALLOW_INTERNAL="true") as where:
        asyncio.run(measure(where.url, asked.events, asked.devices))


if __name__ == "__main__":
    main()
