"""Recall is estimated from near misses, and the truth lies within its limits."""

from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.detection import Stream
from app.domain import NOTHING, Event, Readings
from app.errors import InvalidInput, NotFound
from app.service import boundaries, near
from app.service.boundaries import Missed
from app.store import devices, labels, profiles, streams
from app.store.streams import StreamCommit
from tests.service.recorded import PROFILE
from tests.service.scene import RATE_HZ, T0
from tests.store.rows import take_over

STREAMS = 8
ONSETS = tuple(range(1500, 11_500, 500))
LENGTH = 120
SETTINGS = {"kind": "energy", "on": 40.0}


async def play(engine: AsyncEngine, number: int) -> tuple[str, list[Event], list[int]]:
    """Record bursts of any loudness; return events and the onsets of all bursts."""
    random = np.random.default_rng(number)
    values = random.normal(0, 0.1, (12_000, 2))
    for onset in ONSETS:
        values[onset : onset + LENGTH] *= random.uniform(25, 55)
    times = T0.timestamp() + np.arange(len(values)) / RATE_HZ
    readings = Readings(1, values.astype(np.float32), times, True)
    device = f"arm-{number}"
    async with engine.begin() as conn:
        await devices.put(conn, device, PROFILE.name)
        version = await profiles.detector(conn, PROFILE.name)
        row = await take_over(conn, device, "b1", version.number)
        stream = Stream(PROFILE, version, device, "b1")
        said = stream.receive(readings)
        found = [one for one in said if isinstance(one, Event)]
        commit = StreamCommit(
            device=device,
            boot="b1",
            generation=row.generation,
            old=0,
            new=len(values),
            state=stream.state(),
            detector_version=version.number,
            events=tuple(found),
            readings=(readings,),
        )
        await streams.commit(conn, [commit])
    return device, found, [onset + 1 for onset in ONSETS]


def is_burst(onset: int, offset: int) -> bool:
    return any(onset < at + LENGTH and at < offset for at in ONSETS)


async def test_recall_is_within_its_limits_on_simulated_streams(engine: AsyncEngine):
    """Half of everything is looked at by one who knows the truth."""
    async with engine.begin() as conn:
        await profiles.put(conn, replace(PROFILE, classes=()), SETTINGS)
    random = np.random.default_rng(1)
    hits = bursts = 0
    for number in range(1, STREAMS + 1):
        device, found, onsets = await play(engine, number)
        async with engine.begin() as conn:
            nears = await near.newest(conn, device=device, profile=None)
            since = nears[-1].near.offset
            for event in found:
                if random.random() < 0.5:
                    burst = is_burst(event.onset_seq, event.offset_seq)
                    label = "burst" if burst else NOTHING
                    await labels.add(conn, event.id, label, "ann", "test")
            for one in nears:
                if random.random() < 0.5:
                    span = one.near.onset, one.near.offset
                    label = "burst" if is_burst(*span) else NOTHING
                    missed = Missed(device, "b1", *span, label)
                    await boundaries.add_missed(conn, missed, "ann")
        mine = [at for at in onsets if at >= since]
        bursts += len(mine)
        hits += sum(
            any(e.onset_seq < at + LENGTH and at < e.offset_seq for e in found)
            for at in mine
        )
    async with engine.connect() as conn:
        seen, said = await near.recall_of(conn, device=None, profile=PROFILE.name)
    truth = hits / bursts
    assert 0.3 < truth < 0.9
    assert said is not None
    assert said.low <= truth <= said.high
    assert said.high - said.low < 0.35
    near_misses = seen.near_true + seen.near_false + seen.near_unsure
    assert STREAMS * 4 <= near_misses <= STREAMS * 7
    assert seen.found_true > 10


async def test_without_events_there_is_no_recall(engine: AsyncEngine):
    async with engine.begin() as conn:
        await profiles.put(conn, PROFILE, None)
        seen, said = await near.recall_of(conn, device=None, profile=PROFILE.name)
        assert (seen.found_true, said) == (0, None)
        with pytest.raises(InvalidInput, match="not both"):
            await near.recall_of(conn, device=None, profile=None)
        with pytest.raises(NotFound):
            await near.recall_of(conn, device="arm-9", profile=None)
