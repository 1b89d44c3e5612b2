"""People split what is two events, and merge what is one: detectors learn of both."""

from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain import NOTHING
from app.service import boundaries
from app.service.boundaries import Missed
from app.service.jobs.labelled import labelled_streams
from app.store import events, labels, profiles
from tests.service.recorded import PROFILE, record
from tests.service.scene import put_profile


async def test_an_event_is_split_and_two_are_merged(engine: AsyncEngine):
    await put_profile(engine, PROFILE)
    first, second, third, *_ = await record(engine, 1)
    middle = (first.onset_seq + first.offset_seq) // 2
    async with engine.begin() as conn:
        # split: the first half keeps its identity, the second is an event of a person
        await boundaries.move(conn, first.id, None, middle, "ann")
        rest = Missed("arm-1", "b1", middle, first.offset_seq, "twist")
        half, created = await boundaries.add_missed(conn, rest, "ann")
        assert created
        await labels.add(conn, first.id, "grip", "ann", "test")
        # merge: one goes on to the end of the other, which is none
        await boundaries.move(conn, second.id, None, third.offset_seq, "ann")
        await labels.add(conn, second.id, "grip", "ann", "test")
        await labels.add(conn, third.id, NOTHING, "ann", "test")
        profile = await profiles.get(conn, PROFILE.name)
        window = await events.window(conn, second.id)
    told = await labelled_streams(engine, profile, None)
    ((stream, true),) = told.streams
    assert sorted(true) == sorted(
        stream.relative(
            [
                (first.onset_seq, middle),
                (middle, first.offset_seq),
                (second.onset_seq, third.offset_seq),
            ]
        )
    )
    long = third.offset_seq - second.onset_seq
    assert len(window.values) == long + window.pre_roll + window.post_roll
    assert half.flags == ("person",)
