"""Streams that were recorded: two minutes, with a burst every fourteen seconds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from sqlalchemy.ext.asyncio import AsyncEngine

from app.detection import Stream
from app.domain import Event, Float32Array, Readings
from app.store import devices, profiles, streams
from tests.service.scene import RATE_HZ, T0, profile_of
from tests.store.rows import take_over

PROFILE = replace(profile_of(), record=True)
BURSTS = tuple((begin + 1, begin + 151) for begin in range(1500, 5600, 700))
"""Numbers of the first reading of each burst and of the first after it."""


def bursts(number: int) -> Float32Array:
    values = np.random.default_rng(number).normal(0, 0.1, (6000, 2))
    for onset, offset in BURSTS:
        values[onset - 1 : offset - 1] *= 30
    return values.astype(np.float32)


async def record(
    engine: AsyncEngine,
    number: int,
    gap: bool = False,
    profile: Any = PROFILE,
    boot: str = "b1",
) -> list[Event]:
    """Store what a device's stream of two minutes would have left; its events."""
    values = bursts(number)
    times = T0.timestamp() + np.arange(len(values)) / RATE_HZ
    device = f"arm-{number}"
    async with engine.begin() as conn:
        await devices.put(conn, device, "arm")
        version = await profiles.detector(conn, "arm", device)
        row = await take_over(conn, device, boot, version.number)
        stream = Stream(profile, version, device, boot)
        said: list[Any] = []
        sent = []
        for begin, end in ((0, 3000), (3100 if gap else 3000, 6000)):
            if begin + 1 > stream.next_seq:
                said += stream.skip(begin + 1, "planted")
            readings = Readings(begin + 1, values[begin:end], times[begin:end], True)
            said += stream.receive(readings)
            sent.append(readings)
        found = [one for one in said if isinstance(one, Event)]
        await streams.commit(
            conn,
            [
                streams.StreamCommit(
                    device=device,
                    boot=boot,
                    generation=row.generation,
                    old=0,
                    new=stream.next_seq - 1,
                    state=stream.state(),
                    detector_version=version.number,
                    events=tuple(found),
                    readings=tuple(sent),
                    gaps=tuple(stream.take_gaps()),
                )
            ],
        )
    return found
