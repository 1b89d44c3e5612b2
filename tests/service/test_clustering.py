"""A class is born: its events are unknown, gathered, named, learnt and recognised."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain import Event, Float32Array
from app.errors import NotFound
from app.learning import Model, classify
from app.service import clustering
from app.service.champion import Champions
from app.store import events, labels
from app.store.artefacts import Artefacts
from tests.service.scene import (
    add_events,
    cycle,
    event_of,
    profile_of,
    put_profile,
    window,
)
from tests.service.test_training import train


def slam(number: int) -> Float32Array:
    """A movement that nobody has labelled: all of it is in the other channel."""
    return window("wave", number)[:, ::-1].copy()


async def add_slams(engine: AsyncEngine, model: Model, count: int) -> set[UUID]:
    made: list[Event] = []
    for n in range(count):
        event = event_of("arm", "arm-1", 500 + n, "slam")
        made.append(replace(event, window=slam(n)))
    said = [(event.id, classify(model, event.window, 10, 10)) for event in made]
    async with engine.begin() as conn:
        await events.add(conn, made)
        await events.add_predictions(conn, said)
    return {event.id for event in made}


async def propose(engine: AsyncEngine) -> clustering.Proposals:
    return await clustering.propose(engine, "arm", 12, asyncio.Semaphore(1))


async def test_a_cluster_that_is_named_becomes_a_class_without_a_restart(
    engine: AsyncEngine, artefacts: Artefacts
) -> None:
    await put_profile(engine, profile_of())
    await add_events(engine, "arm", cycle(90))
    first = await train(engine, artefacts)
    champions = Champions(engine, artefacts)
    await champions.refresh()
    model = champions.model("arm")
    assert model is not None
    assert model.classes == ("fist", "rest", "wave")
    slams = await add_slams(engine, model, 12)
    known = await add_events(engine, "arm", cycle(9), start=800, labelled=False)
    async with engine.begin() as conn:
        said = [(e.id, classify(model, e.window, 10, 10)) for e in known]
        await events.add_predictions(conn, said)

    found = await propose(engine)
    members = set(found.items[0].cluster.members)
    assert members <= slams
    assert len(members) >= 10
    assert found.items[0].example.id in members
    assert found.items[0].guess in model.classes
    assert found.looked_at <= 12 + 2

    async with engine.begin() as conn:
        rows = [(event, "slam") for event in members]
        await labels.add_many(conn, rows, "ann", "person")
    second = await train(engine, artefacts)
    assert second["promoted"]
    assert second["model_version"] != first["model_version"]
    await champions.refresh()
    after = champions.model("arm")
    assert after is not None
    recognised = [classify(after, slam(900 + n), 10, 10) for n in range(10)]
    assert sum(one.label == "slam" and not one.unknown for one in recognised) >= 8
    kept = [
        classify(after, window(y, 7000 + n), 10, 10) for n, y in enumerate(cycle(30))
    ]
    assert sum(p.label == y for p, y in zip(kept, cycle(30), strict=True)) >= 29
    assert all(
        not members & set(o.cluster.members) for o in (await propose(engine)).items
    )


async def test_without_a_model_all_events_without_a_label_are_gathered(
    engine: AsyncEngine,
) -> None:
    with pytest.raises(NotFound):
        await propose(engine)
    await put_profile(engine, profile_of())
    assert (await propose(engine)).looked_at == 0
    await add_events(engine, "arm", cycle(30), labelled=False)
    found = await propose(engine)
    assert (found.looked_at, found.items[0].guess) == (30, None)
    assert found.alone + sum(len(o.cluster.members) for o in found.items) == 30
