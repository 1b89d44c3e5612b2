import asyncio
from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.domain import Gap
from app.errors import InvalidInput
from app.store import devices, erasing, events, profiles, recordings, streams
from app.store.streams import Claim
from tests.store.conftest import World
from tests.store.rows import (
    PROFILE,
    new_commit,
    new_event,
    new_prediction,
    new_readings,
    take_over,
)


async def test_a_new_stream_begins_at_zero(conn: AsyncConnection, world: World):
    row = await take_over(conn, "d1", "b1", world.detector)
    assert (row.generation, row.watermark, row.state) == (1, 0, None)
    assert row.detector_version == world.detector
    assert row.readings == []


async def test_a_new_owner_goes_on_where_the_commit_left(
    conn: AsyncConnection, world: World
):
    await take_over(conn, "d1", "b1", world.detector)
    accepted = await streams.commit(conn, [new_commit(0, 30, missing=(2, 0))])
    row = await take_over(conn, "d1", "b1", world.detector)
    assert accepted == {("d1", "b1", 1)}
    assert (row.generation, row.watermark, row.state) == (2, 30, b"state at 30")
    [info] = await streams.list_(conn, "d1")
    assert (info.watermark, info.missing, info.boot) == (30, (2, 0), "b1")


async def test_a_former_owner_commits_nothing(conn: AsyncConnection, world: World):
    await take_over(conn, "d1", "b1", world.detector)
    await take_over(conn, "d1", "b1", world.detector)
    late = new_commit(
        0,
        30,
        events=(new_event(3),),
        predictions=((new_event(3).id, new_prediction(world.model)),),
        readings=(new_readings(1),),
        keep_from=1,
        gaps=(Gap(31, 40, "overflow"),),
    )
    assert await streams.commit(conn, [late]) == set()
    row = await take_over(conn, "d1", "b1", world.detector)
    assert (row.watermark, row.state, row.readings) == (0, None, [])
    assert await events.last_position(conn) == 0
    assert await streams.list_gaps(conn, "d1", "b1") == []


async def test_a_commit_from_another_watermark_is_refused(
    conn: AsyncConnection, world: World
):
    await take_over(conn, "d1", "b1", world.detector)
    await streams.commit(conn, [new_commit(0, 30)])
    assert await streams.commit(conn, [new_commit(10, 20)]) == set()
    assert await streams.commit(conn, [new_commit(40, 50)]) == set()


async def test_redoing_a_commit_whose_reply_was_lost_changes_nothing(
    engine: AsyncEngine, world: World
):
    async with engine.begin() as conn:
        await take_over(conn, "d1", "b1", world.detector)
    event = new_event(3)
    batch = [
        new_commit(
            0,
            30,
            events=(event,),
            predictions=((event.id, new_prediction(world.model)),),
            readings=(new_readings(1), new_readings(11, 20)),
            keep_from=5,
            gaps=(Gap(31, 31, "clock"),),
            missing=(1, 0),
        )
    ]
    async with engine.begin() as conn:
        first = await streams.commit(conn, batch)
        once = await _everything(conn)
    async with engine.begin() as conn:
        assert await streams.commit(conn, batch) == first
        assert await _everything(conn) == once


async def _everything(conn: AsyncConnection) -> object:
    found, _ = await events.list_(conn, events.EventFilter())
    kept = await recordings.read(conn, "d1", "b1")
    return (
        found,
        [(r.first_seq, r.values.tobytes(), r.times.tobytes()) for r in kept],
        await streams.list_gaps(conn, "d1", "b1"),
        (await streams.list_(conn, "d1"))[0].watermark,
    )


async def test_many_streams_commit_together_and_only_the_stale_is_refused(
    conn: AsyncConnection, world: World
):
    for boot in ("b1", "b2", "b3"):
        await take_over(conn, "d1", boot, world.detector)
    await take_over(conn, "d1", "b2", world.detector)
    batch = [
        new_commit(0, 9, boot=boot, events=(new_event(1, boot=boot),))
        for boot in ("b1", "b2", "b3")
    ]
    accepted = await streams.commit(conn, batch)
    assert accepted == {("d1", "b1", 1), ("d1", "b3", 1)}
    rows = await events.after(conn, 0, 10)
    assert sorted(row.boot for row in rows) == ["b1", "b3"]


async def test_each_stream_of_a_batch_gets_its_own_state(
    conn: AsyncConnection, world: World
):
    states = {"b1": b"", "b2": bytes(range(256)) * 20, "b3": b"\0", "b4": b"end"}
    for boot in states:
        await take_over(conn, "d1", boot, world.detector)
    batch = [new_commit(0, 9, boot=boot, state=states[boot]) for boot in states]
    assert len(await streams.commit(conn, batch)) == 4
    for boot, state in states.items():
        row = await take_over(conn, "d1", boot, world.detector)
        assert row.state == state


async def test_a_stream_twice_in_a_batch_is_a_mistake(
    conn: AsyncConnection, world: World
):
    await take_over(conn, "d1", "b1", world.detector)
    with pytest.raises(ValueError, match="twice"):
        await streams.commit(conn, [new_commit(0, 9), new_commit(9, 12)])


async def test_readings_of_an_open_event_come_back_exactly(
    conn: AsyncConnection, world: World
):
    await take_over(conn, "d1", "b1", world.detector)
    one, two = new_readings(1), new_readings(11)
    await streams.commit(conn, [new_commit(0, 10, readings=(one,), keep_from=4)])
    await streams.commit(conn, [new_commit(10, 20, readings=(two,), keep_from=4)])
    [held] = (await take_over(conn, "d1", "b1", world.detector)).readings
    assert (held.first_seq, held.next_seq, held.device_times) == (4, 21, True)
    np.testing.assert_array_equal(
        held.values, np.concatenate([one.values[3:], two.values])
    )
    np.testing.assert_array_equal(
        held.times, np.concatenate([one.times[3:], two.times])
    )


async def test_readings_are_forgotten_with_their_event(
    conn: AsyncConnection, world: World
):
    await take_over(conn, "d1", "b1", world.detector)
    for old in (0, 10, 20):
        held = new_commit(old, old + 10, readings=(new_readings(old + 1),), keep_from=1)
        await streams.commit(conn, [held])
    for keep_from, first in ((10, 1), (11, 11), (15, 11), (21, 21)):
        await streams.commit(conn, [new_commit(30, 30, keep_from=keep_from)])
        [kept] = await recordings.read(conn, "d1", "b1")
        assert (kept.first_seq, kept.next_seq) == (first, 31)
    await streams.commit(conn, [new_commit(30, 40, keep_from=30)])
    await streams.commit(conn, [new_commit(40, 50, readings=(new_readings(41),))])
    assert await recordings.read(conn, "d1", "b1") == []


async def test_a_profile_that_records_keeps_everything(
    conn: AsyncConnection, world: World
):
    await profiles.put(conn, replace(PROFILE, record=True), None)
    await take_over(conn, "d1", "b1", world.detector)
    await streams.commit(conn, [new_commit(0, 10, readings=(new_readings(1),))])
    await profiles.put(conn, replace(PROFILE, record=False), None)
    await streams.commit(conn, [new_commit(10, 20, readings=(new_readings(11),))])
    assert await recordings.spans(conn, "d1") == [("b1", 1, 11)]
    [part] = await recordings.read(conn, "d1", "b1", 3, 6)
    assert (part.first_seq, part.next_seq) == (3, 6)
    np.testing.assert_array_equal(part.values, new_readings(1).values[2:5])
    row = await take_over(conn, "d1", "b1", world.detector)
    assert row.readings == []  # recorded, but no event is open


async def test_a_state_keeps_its_detector_version_until_the_next_commit(
    conn: AsyncConnection, world: World
):
    await take_over(conn, "d1", "b1", world.detector)
    await streams.commit(conn, [new_commit(0, 10)])
    put = await profiles.put(conn, PROFILE, {"kind": "sta_lta"})
    newer = put.detector.number
    row = await take_over(conn, "d1", "b1", newer)
    assert row.detector_version == world.detector
    moved = new_commit(10, 20, generation=2, detector=newer)
    await streams.commit(conn, [moved])
    row = await take_over(conn, "d1", "b1", newer)
    assert row.detector_version == newer


async def test_gaps_are_kept_in_order_and_their_reason_is_tamed(
    conn: AsyncConnection, world: World
):
    await take_over(conn, "d1", "b1", world.detector)
    gaps = (Gap(20, 30, "over\0flow" + "w" * 5000), Gap(5, 5, "time"))
    await streams.commit(conn, [new_commit(0, 40, gaps=gaps)])
    early, late = await streams.list_gaps(conn, "d1", "b1")
    assert early == Gap(5, 5, "time")
    assert late.why.startswith("overflow")
    assert len(late.why) == 200


async def test_unknown_devices_and_unfit_boots_are_refused(
    conn: AsyncConnection, world: World
):
    claims = [Claim("nobody", "b1", world.detector), Claim("d1", "b1", world.detector)]
    nobody, row = await streams.take_over(conn, claims)
    assert nobody is None
    assert row is not None
    for boot in ("", "a\x1fb", "a\0", "b" * 201):
        with pytest.raises(InvalidInput):
            await take_over(conn, "d1", boot, world.detector)


async def test_a_device_erased_in_mid_stream_fences_its_owner(
    conn: AsyncConnection, world: World
):
    await take_over(conn, "d1", "b1", world.detector)
    await erasing.erase(conn, "d1")
    late = new_commit(0, 10, events=(new_event(1),))
    assert await streams.commit(conn, [late]) == set()


async def test_of_a_commit_and_a_take_over_at_once_one_comes_first(
    engine: AsyncEngine, world: World
):
    """Whoever waits for the other's lock decides by what the other has written."""
    async with engine.begin() as conn:
        await take_over(conn, "d1", "b1", world.detector)
    async with engine.connect() as owner, engine.connect() as thief:
        await take_over(thief, "d1", "b1", world.detector)
        late = asyncio.create_task(streams.commit(owner, [new_commit(0, 10)]))
        done, _ = await asyncio.wait({late}, timeout=0.1)
        assert not done
        await thief.commit()
        assert await late == set()


async def test_nothing_of_a_batch_stays_when_one_statement_fails(
    engine: AsyncEngine, world: World
):
    async with engine.begin() as conn:
        await take_over(conn, "d1", "b1", world.detector)
    bad = new_commit(0, 10, events=(new_event(1, profile="no such profile"),))
    with pytest.raises(DBAPIError):
        await streams.persist(engine, [bad])
    async with engine.begin() as conn:
        row = await take_over(conn, "d1", "b1", world.detector)
    assert (row.watermark, row.state) == (0, None)


async def test_checkpoints_alone_are_durable_without_a_transaction_around_them(
    engine: AsyncEngine, world: World
):
    async with engine.begin() as conn:
        await take_over(conn, "d1", "b1", world.detector)
    alone = new_commit(0, 10, forget=False)
    assert alone.plain
    assert await streams.persist(engine, [alone]) == {("d1", "b1", 1)}
    assert await streams.persist(engine, [alone]) == {("d1", "b1", 1)}
    async with engine.begin() as conn:
        row = await take_over(conn, "d1", "b1", world.detector)
    assert (row.watermark, row.state) == (10, b"state at 10")
    assert await streams.persist(engine, [new_commit(10, 20, forget=False)]) == set()


async def test_storms_from_two_sides_end_in_no_deadlock(
    engine: AsyncEngine, world: World
):
    names = [f"s{i:02}" for i in range(40)]
    async with engine.begin() as conn:
        for name in names:
            await devices.put(conn, name, PROFILE.name)
    claims = [Claim(name, "b1", world.detector) for name in names]

    async def claim(order: int) -> None:
        for _ in range(5):
            async with engine.begin() as conn:
                await streams.take_over(conn, claims[::order])

    async def commit(order: int) -> None:
        batch = [replace(new_commit(0, 0), device=name) for name in names]
        for _ in range(5):
            async with engine.begin() as conn:
                await streams.commit(conn, batch[::order])

    await asyncio.gather(claim(1), claim(-1), commit(1), commit(-1))
    async with engine.begin() as conn:
        rows = await streams.take_over(conn, claims)
    assert [row.generation for row in rows if row] == [11] * 40
    assert [row.connection for row in rows if row] == [11] * 40


async def test_a_device_claims_one_stream_at_a_time(
    conn: AsyncConnection, world: World
):
    claims = [Claim("d1", boot, world.detector) for boot in ("b1", "b2")]
    with pytest.raises(ValueError, match="one stream at a time"):
        await streams.take_over(conn, claims)
