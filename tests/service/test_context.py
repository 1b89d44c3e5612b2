"""What is known beside events: noted as they come, kept with them, read by models."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from app import features
from app.detection import complete
from app.domain import Beside, Context, DetectorVersion, Earlier, Event, Past, Readings
from app.errors import ArtefactError
from app.learning import classify
from app.learning.bundle import Bundle
from app.service.champion import Champions
from app.service.jobs import remembering, training
from app.service.jobs.classify_later import LateClassifier
from app.service.jobs.progress import Progress
from app.service.jobs.remembering import remember
from app.service.jobs.retrain import enqueue
from app.service.jobs.shadowing import Shadowing
from app.service.metrics import Metrics
from app.service.notify.hub import Hub
from app.service.streams.commit import GroupCommit, Pace
from app.service.streams.ingest import Ingest
from app.service.streams.shared import Shared
from app.store import events, jobs, labels, models, pasts, profiles, shadows, windows
from app.store.artefacts import Artefacts
from app.store.tables import events as table
from tests.service.scene import (
    T0,
    add_events,
    add_version,
    cycle,
    event_of,
    profile_of,
    put_profile,
)
from tests.service.test_ingest import Line, signal

EVENTS = 5
"""Of `signal`."""


@pytest.fixture
async def champions(engine: AsyncEngine, artefacts: Artefacts) -> Champions:
    """A profile that keeps context, served by a model that reads it."""
    await put_profile(engine, profile_of(context=Beside.DEVICE))
    await add_version(engine, artefacts, "v", promote_from=None, beside=True)
    champions = Champions(engine, artefacts)
    await champions.refresh()
    return champions


@contextlib.asynccontextmanager
async def replica(engine: AsyncEngine, champions: Champions) -> AsyncIterator[Ingest]:
    """What a process of its own has."""
    metrics = Metrics()
    commit = GroupCommit(engine, metrics, Pace(0.005, 0.05))
    running = asyncio.create_task(commit.run())
    yield Ingest(engine, Shared(champions, commit, Hub(), metrics, 1.0))
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


@contextlib.asynccontextmanager
async def connected(ingest: Ingest, boot: str) -> AsyncIterator[Line]:
    line = Line(ingest, "arm-1", 8192)
    line.listening = asyncio.create_task(line.listen())
    await line.say(type="hello", boot=boot)
    yield line
    line.connection.leave()
    line.listening.cancel()


async def play(ingest: Ingest, boot: str, values: np.ndarray) -> None:
    """Send what is not acknowledged yet, and wait until it is durable."""
    async with connected(ingest, boot) as line:
        acked = line.connection._stream.watermark
        await line.stream(values[acked:], acked + 1)
        await ingest._shared.commit.drained()


async def known(engine: AsyncEngine, boot: str) -> list[tuple[int, Context, str]]:
    """Of each event of a boot: its onset, what was known beside, what was read."""
    async with engine.connect() as conn:
        query = select(table).where(table.c.boot == boot).order_by(table.c.onset_seq)
        rows = (await conn.execute(query)).all()
        said = [await events.predictions_of(conn, row.id) for row in rows]
    return [
        (row.onset_seq, Context.from_json(row.context), one.prediction.features_digest)
        for row, (one,) in zip(rows, said, strict=True)
    ]


async def test_what_was_known_does_not_depend_on_connections_replicas_and_crashes(
    engine: AsyncEngine, champions: Champions
):
    values = signal()
    async with replica(engine, champions) as ingest:
        await play(ingest, "whole", values)
    whole = await known(engine, "whole")
    assert [one.events for _, one, _ in whole] == list(range(len(whole)))
    assert len(whole) >= EVENTS - 1
    assert all(one.earlier[0].label for _, one, _ in whole[1:])
    assert bundled(champions, "whole", values) == [
        (onset, digest) for onset, _, digest in whole
    ]
    for cut in (520, 700, 1015, 1590, 2300, 3000):
        async with replica(engine, champions) as ingest:
            await play(ingest, "cut", values[:cut])
            # what came after the last commit is lost with the process
            async with connected(ingest, "cut") as line:
                commit = ingest._shared.commit
                for at in range(cut, min(cut + 300, 3000), 50):
                    line.connection.receive(frame(values, at), 1000.0)
                for stream in list(commit._dirty):
                    commit.forget(stream)
    assert await known(engine, "cut") == whole


def bundled(
    champions: Champions, boot: str, values: np.ndarray
) -> list[tuple[int, str]]:
    """What a bundle, without a service, reads of the same readings."""
    model = champions.model("arm")
    assert model is not None
    profile = profile_of()
    bundle = Bundle(profile, DetectorVersion(1, "arm", complete({})), model)
    stream, session = bundle.stream("arm-1", boot), bundle.session()
    times = 1.7e9 + np.arange(len(values)) / profile.rate_hz
    return [
        (event.onset_seq, bundle.classify(event, session).features_digest)
        for event in stream.receive(Readings(1, values, times))
        if isinstance(event, Event)
    ]


def frame(values: np.ndarray, at: int) -> str:
    rows = values[at : at + 50].tolist()
    return f'{{"type": "readings", "seq": {at + 1}, "values": {rows}}}'


async def test_a_stored_event_asked_again_with_its_context_gives_the_same_answer(
    engine: AsyncEngine, champions: Champions
):
    async with replica(engine, champions) as ingest:
        await play(ingest, "b", signal())
    model = champions.model("arm")
    assert model is not None
    async with engine.connect() as conn:
        rows, _ = await events.list_(conn, events.EventFilter(), 100, None)
        for row in rows:
            shown = await events.window(conn, row.id)
            given = shown.values, shown.pre_roll, shown.post_roll, shown.context
            (stored,) = await events.predictions_of(conn, row.id)
            assert classify(model, *given) == stored.prediction
    alone = classify(model, *given[:3])
    assert alone.features_digest != stored.prediction.features_digest


async def test_a_profile_that_does_not_ask_keeps_nothing_beside(
    engine: AsyncEngine, artefacts: Artefacts
):
    await put_profile(engine, profile_of())
    champions = Champions(engine, artefacts)
    async with replica(engine, champions) as ingest:
        await play(ingest, "b", signal())
    async with engine.connect() as conn:
        kept = list(await conn.scalars(select(table.c.context)))
    assert kept == [None] * len(kept)
    assert len(kept) >= EVENTS - 1


async def test_a_model_that_reads_context_is_given_it_after_the_setting_is_taken_back(
    engine: AsyncEngine, champions: Champions
):
    async with engine.begin() as conn:
        await profiles.put(conn, profile_of(context=Beside.NONE), None)
    async with replica(engine, champions) as ingest:
        await play(ingest, "b", signal())
    found = await known(engine, "b")
    assert [one.events for _, one, _ in found] == list(range(len(found)))


async def test_late_answers_and_shadows_read_what_was_known_when_the_event_came(
    engine: AsyncEngine, artefacts: Artefacts, champions: Champions
):
    context = Context(3, (Earlier(1.0, 2.0, "v:rest", 0.9),))
    made = [
        replace(event_of("arm", "arm-1", i, "fist"), context=context) for i in range(2)
    ]
    second = await add_version(engine, artefacts, "w", beside=True)
    async with engine.begin() as conn:
        await shadows.begin(conn, second, "ann", "look first")
        await events.add(conn, made)
    model, other = champions.model("arm"), await champions.get(second)
    assert model is not None
    await LateClassifier(engine).run(model)
    await Shadowing(engine, champions).look()
    async with engine.connect() as conn:
        (said,) = await events.predictions_of(conn, made[0].id)
        answered = await shadows.answered(conn, second)
    shown = made[0].window, 10, 10, context
    assert said.prediction == classify(model, *shown)
    assert answered[0].label == classify(other, *shown).label


async def train(engine: AsyncEngine, artefacts: Artefacts) -> dict:
    job, _ = await enqueue(engine, profile="arm", by="ann", reason="test")
    async with engine.begin() as conn:
        started = await jobs.start(conn, job.id)
    assert started is not None
    await training.retrain(engine, artefacts, started, Progress())
    async with engine.connect() as conn:
        return dict((await jobs.get(conn, job.id)).result)


def told_by_the_one_before(n: int) -> list[str]:
    return [("fist", "open")[i % 2] for i in range(n)]


async def test_a_training_learns_from_what_serving_saw_or_refuses(
    engine: AsyncEngine, artefacts: Artefacts
):
    """Windows say nothing, the event before all: so the model must have read it."""
    await put_profile(engine, profile_of(context=Beside.SESSION))
    said = told_by_the_one_before(80)
    made = [
        replace(
            event_of("arm", "arm-1", i, "same"),
            context=Context(i, (Earlier(1.0, 1.0, said[i - 1], 0.9),) if i else ()),
        )
        for i in range(80)
    ]
    async with engine.begin() as conn:
        await events.add(conn, made)
        for event, label in zip(made, said, strict=True):
            await labels.add(conn, event.id, label, "ann", "test")
    result = await train(engine, artefacts)
    assert result["verdict"] == "promote"
    champions = Champions(engine, artefacts)
    await champions.refresh()
    model = champions.model("arm")
    assert model is not None
    assert model.reads_context
    async with engine.connect() as conn:
        report = (await models.get(conn, model.version)).report
        drawn = await windows.of(conn, [made[0].id, made[1].id])
    assert report["holdout"]["accuracy"] >= 0.9
    assert [row.context for row in drawn] == [made[0].context, made[1].context]
    # served with another context than is stored: nothing may be learnt from that
    shown = made[-1].window, 10, 10, Context()
    async with engine.begin() as conn:
        await events.add_predictions(conn, [(made[-1].id, classify(model, *shown))])
    with pytest.raises(ArtefactError, match="train/serve skew"):
        await train(engine, artefacts)


async def past(engine: AsyncEngine) -> Past | None:
    async with engine.connect() as conn:
        return (await pasts.of(conn, [("arm-1", "arm")])).get(("arm-1", "arm"))


async def test_a_devices_past_is_summed_up_as_of_a_time_and_again_when_more_came(
    engine: AsyncEngine,
):
    await put_profile(engine, profile_of(context=Beside.DEVICE))
    said = cycle(24)
    made = await add_events(engine, "arm", said)
    assert await remember(engine, at=T0 - timedelta(days=1)) == 0  # nothing was, then
    assert await remember(engine) == 1
    first = await past(engine)
    assert first is not None
    assert (first.events, first.seconds) == (24, (0.8, 0.0))
    assert first.shares == {"fist": 0.333333, "rest": 0.333333, "wave": 0.333333}
    names = features.names(["x", "y"])
    power = [
        features.extract(e.window, 50.0, 10, 10)[names.index("y.log_power")]
        for e in made
    ]
    assert first.log_power[1] == pytest.approx(
        (np.mean(power), np.std(power)), abs=1e-5
    )
    await add_events(engine, "arm", cycle(remembering.LEAST_NEW - 1), start=24)
    assert await remember(engine) == 0  # too little is new
    await add_events(engine, "arm", ["wave"], start=60)
    assert await remember(engine) == 1
    second = await past(engine)
    assert second is not None
    assert second.events == 24 + remembering.LEAST_NEW


async def test_a_stream_is_joined_with_its_devices_past_and_follows_it_between_events(
    engine: AsyncEngine, champions: Champions
):
    await add_events(engine, "arm", cycle(24))
    values = signal()
    async with replica(engine, champions) as ingest:
        await play(ingest, "before", values[:700])
        await remember(engine)
        first = await past(engine)
        await play(ingest, "b", values[:700])
        await add_events(engine, "arm", cycle(24), start=100)
        await remember(engine)
        await ingest._shared.pasts.refresh(engine)
        second = await past(engine)
        # known at the checkpoint: whoever goes on from there says of the next the same
        await play(ingest, "b", values[:1200])
        await play(ingest, "b", values[:1700])
    assert first != second
    assert known_pasts(await known(engine, "before")) == [None]
    assert known_pasts(await known(engine, "b")) == [first, first, second]


def known_pasts(found: Sequence[tuple[int, Context, str]]) -> list[Past | None]:
    return [one.past for _, one, _ in found]
