"""What is stored is found again to the last bit, or it is said what is not."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncEngine

from app.detection import complete
from app.errors import Conflict, NotFound
from app.learning.model import classify
from app.service import boundaries
from app.service.champion import load
from app.service.jobs import tally, verify, verifying
from app.service.jobs.progress import Progress
from app.store import detectors, events, jobs, labels, models, profiles, recordings
from app.store import tables as t
from app.store.arrays import pack
from app.store.artefacts import Artefacts
from app.store.detectors import NewDetector
from tests.service.recorded import PROFILE, record
from tests.service.scene import add_events, add_version, cycle, profile_of, put_profile
from tests.service.test_ingest import PROFILE as BAND
from tests.service.test_ingest import Service, service, signal

__all__ = ["service"]


async def do(
    engine: AsyncEngine, artefacts: Artefacts, profile: str = "arm", **asked: Any
) -> dict[str, Any]:
    job = await verify.enqueue(engine, profile, asked.get("device"), "ann")
    async with engine.begin() as conn:
        started = await jobs.start(conn, job.id)
    assert started is not None
    await verifying.verify(engine, artefacts, started, Progress())
    async with engine.connect() as conn:
        done = await jobs.get(conn, job.id)
    assert done.state == "succeeded"
    return dict(done.result or {})


async def recorded(engine: AsyncEngine) -> list[UUID]:
    await put_profile(engine, PROFILE)
    found = []
    for number in (1, 2, 3):
        found += await record(engine, number, gap=number == 2)
    return [event.id for event in found]


async def test_all_that_was_recorded_is_reproduced(
    engine: AsyncEngine, artefacts: Artefacts
):
    found = await recorded(engine)
    async with engine.begin() as conn:  # people move nothing that was found
        row = await events.get(conn, found[0])
        await boundaries.move(conn, row.id, row.onset_seq + 5, None, "ann")
        await labels.add(conn, found[1], "burst", "ann", "test")
    said = await do(engine, artefacts)
    assert said["verdict"] == "reproduced"
    assert said["events"] == said["events_reproduced"] == len(found) >= 15
    assert (said["streams"], said["readings"]) == (3, 18_000)
    assert (said["events_not_recorded"], said["differences"]) == (0, [])
    one = await do(engine, artefacts, device="arm-2")
    assert one["streams"] == 1
    assert 0 < one["events"] < len(found)


@pytest.mark.parametrize(
    ("planted", "why"),
    [
        ({"peak": 99.0}, "peak: stored 99.0, again"),
        ({"offset_seq": t.events.c.offset_seq + 1}, "offset_seq: stored"),
        ({"flags": ["truncated"]}, "flags: stored ['truncated'], again []"),
        ({"pre_roll": 3}, "pre_roll: stored 3, again 25"),
    ],
)
async def test_a_planted_difference_is_found_and_named(
    engine: AsyncEngine, artefacts: Artefacts, planted: dict[str, Any], why: str
):
    found = await recorded(engine)
    async with engine.begin() as conn:
        changed = update(t.events).where(t.events.c.id == found[4])
        await conn.execute(changed.values(**planted))
    said = await do(engine, artefacts)
    assert (said["verdict"], said["differ"]) == ("differs", 1)
    assert said["events_reproduced"] == len(found) - 1
    (told,) = said["differences"]
    assert told["event"] == str(found[4])
    assert told["what"] == "event"
    assert why in told["why"]


async def test_an_event_too_few_and_one_too_many_are_told(
    engine: AsyncEngine, artefacts: Artefacts
):
    found = await recorded(engine)
    async with engine.begin() as conn:
        lost = await events.get(conn, found[3])
        e = t.events.c
        await conn.execute(delete(t.events).where(e.id == found[3]))
        alien = UUID(int=7)
        await conn.execute(update(t.events).where(e.id == found[4]).values(id=alien))
    said = await do(engine, artefacts)
    told = {one["event"]: one["why"] for one in said["differences"]}
    assert told == {
        str(lost.id): "found again, but not stored",
        str(alien): "stored, but not found again",
        str(found[4]): "found again, but not stored",
    }


async def test_window_that_changed_is_told_by_its_readings(
    engine: AsyncEngine, artefacts: Artefacts
):
    found = await recorded(engine)
    async with engine.begin() as conn:
        window = (await events.window(conn, found[0])).values.copy()
        window[3] += 1
        changed = update(t.events).where(t.events.c.id == found[0])
        await conn.execute(changed.values(window=pack(window)))
    (told,) = (await do(engine, artefacts))["differences"]
    assert told["why"] == f"window: 1 of {len(window)} readings differ"
    async with engine.begin() as conn:
        await conn.execute(changed.values(window=b"damaged"))
    (told,) = (await do(engine, artefacts))["differences"]
    assert told["why"] == "window: what is stored cannot be read"


async def test_events_are_not_verified_where_readings_were_not_recorded(
    engine: AsyncEngine, artefacts: Artefacts
):
    found = await recorded(engine)
    async with engine.begin() as conn:
        r = t.recordings.c
        (readings,) = await recordings.read(conn, "arm-1", "b1")
        own = (r.device == "arm-1", r.boot == "b1")
        await conn.execute(delete(t.recordings).where(*own))
        for begin, end in ((0, 2000), (2100, 6000)):  # rests, without a gap
            part = replace(
                readings,
                first_seq=begin + 1,
                values=readings.values[begin:end],
                times=readings.times[begin:end],
            )
            (row,) = recordings.rows_of(
                "arm-1", "b1", [part], detector_version=1, held=False
            )
            await recordings.append(conn, [row])
    said = await do(engine, artefacts)
    assert said["differ"] == 0
    assert said["events_not_recorded"] >= 4
    assert said["events"] + said["events_not_recorded"] == len(found)


async def test_stream_that_lived_through_a_lot_is_reproduced(
    service: Service, artefacts: Artefacts
):
    """A gap, connections that break mid-event, two other detectors, and an end."""
    engine = service.engine
    async with engine.begin() as conn:
        await profiles.put(conn, replace(BAND, record=True), None)
        numbers = [
            await detectors.add(conn, NewDetector(BAND.name, complete({"on": on})))
            for on in (7, 8)
        ]
    values = signal(6000)
    at = 0

    async def play(to: int, step: int = 37) -> None:
        nonlocal at
        await line.stream(values[at:to], at + 1, step=step)
        at = to

    async def promote(number: int) -> None:
        async with engine.begin() as conn:
            await detectors.promote(conn, BAND.name, number, None, "ann", "test")

    line = await service.connect()
    await line.say(type="hello", boot="b1")
    await play(1030)
    line.connection.leave()  # in the middle of an event
    await service.commit.drained()
    line = await service.connect()
    await line.say(type="hello", boot="b1")
    at = line.connection._stream.watermark
    await play(1800)
    await line.say(type="skip", to=1901, why="planted")
    at = 1900
    await play(2540)
    await promote(numbers[0])
    await service.detectors.refresh()
    await play(3550)
    line.connection.leave()  # an event is open, and is closed by its own detector
    await service.commit.drained()
    await promote(numbers[1])
    line = await service.connect()
    await line.say(type="hello", boot="b1")
    at = line.connection._stream.watermark
    await play(5560)
    await line.say(type="end")  # an event is open
    await line.listening
    said = await do(engine, artefacts, BAND.name)
    assert said["differences"] == []
    assert said["events"] == said["events_reproduced"] >= 9
    assert said["events_not_recorded"] == 0
    async with engine.connect() as conn:
        rows, _ = await events.list_(conn, events.EventFilter(), 100, None)
    assert len({row.detector_version for row in rows}) == 3
    assert {"gap", "ended"} <= {flag for row in rows for flag in row.flags}


async def test_predictions_are_asked_again_of_the_model_that_made_them(
    engine: AsyncEngine, artefacts: Artefacts
):
    await put_profile(engine, profile_of())
    version = await add_version(engine, artefacts, "v", promote_from=None)
    made = await add_events(engine, "arm", cycle(12), labelled=False)
    async with engine.begin() as conn:
        model = load(artefacts, await models.get(conn, version))
        said = [
            (e.id, classify(model, e.window, e.pre_roll, e.post_roll)) for e in made
        ]
        await events.add_predictions(conn, said)
    told = await do(engine, artefacts)
    assert told["predictions"] == told["predictions_reproduced"] == 12
    assert (told["verdict"], told["streams"]) == ("reproduced", 0)
    async with engine.begin() as conn:
        p = t.predictions.c
        changed = update(t.predictions).where(p.event == made[5].id)
        nearly = np.nextafter(said[5][1].probability, 0.0)
        await conn.execute(changed.values(probability=float(nearly)))
    told = await do(engine, artefacts)
    assert told["differ"] == 1
    (one,) = told["differences"]
    assert (one["what"], one["event"]) == ("prediction", str(made[5].id))
    assert one["why"].startswith(f"model {version}: probability: stored")


async def test_model_whose_file_is_lost_is_a_difference_that_says_so(
    engine: AsyncEngine, artefacts: Artefacts, tmp_path: Any
):
    await put_profile(engine, profile_of())
    version = await add_version(engine, artefacts, "v", promote_from=None)
    (event,) = await add_events(engine, "arm", ["fist"], labelled=False)
    async with engine.begin() as conn:
        model = load(artefacts, await models.get(conn, version))
        said = classify(model, event.window, 10, 10)
        await events.add_predictions(conn, [(event.id, said)])
    lost = Artefacts(tmp_path / "elsewhere")
    (one,) = (await do(engine, lost))["differences"]
    assert one["why"].startswith(f"model {version}: ")


async def test_only_so_many_differences_are_listed_but_all_are_counted(
    engine: AsyncEngine, artefacts: Artefacts, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tally, "MOST_LISTED", 2)
    monkeypatch.setattr(verifying, "PAGE", 3)
    found = await recorded(engine)
    async with engine.begin() as conn:
        await conn.execute(update(t.events).values(peak=0.0))
    said = await do(engine, artefacts)
    assert said["differ"] == len(found)
    assert len(said["differences"]) == 2


async def test_what_cannot_be_verified_is_refused_at_once(engine: AsyncEngine):
    await put_profile(engine, PROFILE)
    for profile, device in (("leg", None), ("arm", "leg-1")):
        with pytest.raises(NotFound):
            await verify.enqueue(engine, profile, device, "ann")
    first = await verify.enqueue(engine, "arm", None, "ann")
    assert (await verify.enqueue(engine, "arm", None, "ann")).id == first.id
    with pytest.raises(Conflict, match="under way"):
        await verify.enqueue(engine, "arm", "arm-1", "ann")
