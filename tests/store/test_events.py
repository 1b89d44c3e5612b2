from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import numpy as np
import pytest
from sqlalchemy import event as hook
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import Event
from app.errors import InvalidInput, NotFound
from app.store import devices, events, labels, models, streams
from app.store.events import EventFilter
from tests.store.conftest import World
from tests.store.rows import (
    T0,
    new_commit,
    new_event,
    new_prediction,
    new_version,
    take_over,
)


async def test_an_event_comes_back_as_it_was(conn: AsyncConnection, world: World):
    event = new_event(5, detector=world.detector, flags=("gap", "clock"))
    assert await events.add(conn, [event]) == [event.id]
    row = await events.get(conn, event.id)
    for name in ("id", "device", "boot", "profile", "onset_seq", "offset_seq", "onset"):
        assert getattr(row, name) == getattr(event, name)
    assert (row.offset, row.peak, row.flags) == (
        event.offset,
        event.peak,
        ("gap", "clock"),
    )
    assert (row.detector_version, row.prediction, row.label) == (1, None, None)
    window = await events.window(conn, event.id)
    assert window.values.tobytes() == event.window.tobytes()
    assert window.values.shape == (80, 2)
    assert (window.pre_roll, window.post_roll, window.rate_hz) == (20, 10, 50.0)
    assert [c.name for c in window.channels] == ["x", "y"]


async def test_an_event_is_stored_once(conn: AsyncConnection, world: World):
    one, two = new_event(1), new_event(2)
    assert await events.add(conn, [one]) == [one.id]
    assert await events.add(conn, [one, two, two]) == [two.id]
    assert len(await events.after(conn, 0, 10)) == 2
    assert await events.add(conn, []) == []


async def test_history_brings_its_devices_and_has_no_detector(
    conn: AsyncConnection, world: World
):
    await events.add(conn, [new_event(1, device="imported", detector=0)])
    [row] = await events.after(conn, 0, 10)
    assert row.detector_version is None
    assert (await devices.get(conn, "imported")).profile == "arm"


async def test_what_is_not_there_is_not_found(conn: AsyncConnection, world: World):
    for read in (events.get, events.window):
        with pytest.raises(NotFound):
            await read(conn, uuid4())


async def test_the_first_answer_is_the_prediction_of_an_event(
    conn: AsyncConnection, world: World
):
    newer = await models.add(conn, new_version())
    await events.add(conn, [new_event(1)])
    event = new_event(1).id
    for version, label in ((newer, "rest"), (world.model, "fist"), (newer, "wave")):
        await events.add_predictions(conn, [(event, new_prediction(version, label))])
    row = await events.get(conn, event)
    assert row.prediction == new_prediction(newer, "rest")
    said = await events.predictions_of(conn, event)
    assert [p.prediction.label for p in said] == ["rest", "fist"]
    assert [p.first for p in said] == [True, False]


async def test_unclassified_events_wait_until_they_are_classified(
    conn: AsyncConnection, world: World
):
    await take_over(conn, "d1", "b1", world.detector)
    one, two, three = (new_event(seq) for seq in (1, 101, 201))
    said = ((two.id, new_prediction(world.model)),)
    await streams.commit(
        conn, [new_commit(0, 300, events=(one, two, three), predictions=said)]
    )
    waiting = await events.unclassified(conn, "arm", 10)
    assert [w.event for w in waiting] == [one.id, three.id]
    assert waiting[0].window.tobytes() == one.window.tobytes()
    assert [w.event for w in await events.unclassified(conn, "arm", 1)] == [one.id]
    await events.add_predictions(conn, [(one.id, new_prediction(world.model))])
    assert [w.event for w in await events.unclassified(conn, "arm", 10)] == [three.id]
    newer = await models.add(conn, new_version())
    by_newer = await events.unclassified(conn, "arm", 10, model_version=newer)
    assert len(by_newer) == 3


async def test_a_prediction_of_an_erased_event_is_passed_over(
    conn: AsyncConnection, world: World
):
    await events.add_predictions(conn, [(uuid4(), new_prediction(world.model))])


async def test_digests_are_those_of_the_same_feature_set(
    conn: AsyncConnection, world: World
):
    await events.add(conn, [new_event(1), new_event(2)])
    one, two = new_event(1).id, new_event(2).id
    other = await models.add(conn, new_version(feature_set="v2"))
    await events.add_predictions(conn, [(one, new_prediction(world.model))])
    await events.add_predictions(conn, [(two, new_prediction(other))])
    found = await events.features_digests(conn, [one, two], "v1")
    assert found == {one: "0123456789abcdef"}


@pytest.fixture
async def listed(conn: AsyncConnection, world: World) -> list[Event]:
    """Six events: two devices, labels, predictions and flags of every kind."""
    made = [
        new_event(100 * i, device=f"d{1 + i % 2}", flags=("gap",) if i == 4 else ())
        for i in range(1, 7)
    ]
    await events.add(conn, made)
    rows = [
        (made[0].id, new_prediction(world.model, "fist", 0.9)),
        (made[1].id, new_prediction(world.model, "rest", 0.7)),
        (made[2].id, new_prediction(world.model, "fist", 0.5)),
    ]
    await events.add_predictions(conn, rows)
    for at, label in ((0, "fist"), (1, "fist"), (1, "rest"), (3, "fist"), (3, "")):
        await labels.add(conn, made[at].id, label, "ann", "test")
    return made


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (EventFilter(), [0, 1, 2, 3, 4, 5]),
        (EventFilter(order="desc"), [5, 4, 3, 2, 1, 0]),
        (EventFilter(device="d1"), [1, 3, 5]),
        (EventFilter(boot="b1", profile="arm"), [0, 1, 2, 3, 4, 5]),
        (EventFilter(profile="leg"), []),
        (EventFilter(label="rest"), [1]),
        (EventFilter(label="fist"), [0]),
        (EventFilter(labelled=True), [0, 1]),
        (EventFilter(labelled=False), [2, 3, 4, 5]),
        (EventFilter(predicted="fist"), [0, 2]),
        (EventFilter(model_version=1), [0, 1, 2]),
        (EventFilter(model_version=99), []),
        (EventFilter(unknown=True), [2]),
        (EventFilter(unknown=False), [0, 1]),
        (EventFilter(min_probability=0.7), [0, 1]),
        (EventFilter(flag="gap"), [3]),
        (EventFilter(flag="clock"), []),
        (EventFilter(since=T0 + timedelta(seconds=6)), [2, 3, 4, 5]),
        (EventFilter(until=T0 + timedelta(seconds=6)), [0, 1]),
        (EventFilter(since=T0 + timedelta(seconds=6), order="desc"), [5, 4, 3, 2]),
        (EventFilter(until=T0 + timedelta(seconds=6), order="desc"), [1, 0]),
        (EventFilter(since=T0 + timedelta(days=1)), []),
        (EventFilter(until=T0, order="desc"), []),
        (EventFilter(predicted="fist", label="fist", device="d2"), [0]),
    ],
)
async def test_filters(
    conn: AsyncConnection, listed: list[Event], wanted: EventFilter, numbers: list[int]
):
    found, after = await events.list_(conn, wanted)
    assert [row.id for row in found] == [listed[i].id for i in numbers]
    assert after is None


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_pages_follow_one_another_without_hole_or_repetition(
    conn: AsyncConnection, listed: list[Event], order: str
):
    wanted, cursor, seen = EventFilter(order=order), None, []
    for size in (2, 2, 2):
        page, cursor = await events.list_(conn, wanted, 2, cursor)
        assert len(page) == size
        seen += [row.id for row in page]
    assert cursor is None
    assert seen == [e.id for e in (listed if order == "asc" else listed[::-1])]


async def test_a_page_has_prediction_and_label_from_one_query(
    conn: AsyncConnection, listed: list[Event]
):
    asked: list[str] = []
    hook.listen(
        conn.engine.sync_engine,
        "before_cursor_execute",
        lambda _c, _cur, statement, *_: asked.append(statement),
    )
    rows, _ = await events.list_(conn, EventFilter())
    assert len(asked) == 1
    assert rows[1].prediction is not None
    assert rows[1].prediction.label == "rest"
    assert rows[1].label is not None
    assert (rows[1].label.label, rows[1].label.by) == ("rest", "ann")
    assert rows[3].label is None  # withdrawn


@pytest.mark.parametrize("cursor", ["", "!!", "abc", "é", "LTE", "OTk5" * 7])
async def test_a_cursor_that_nobody_gave_out_is_refused(
    conn: AsyncConnection, cursor: str
):
    with pytest.raises(InvalidInput):
        await events.list_(conn, EventFilter(), 10, cursor)


def test_an_unknown_order_is_refused():
    with pytest.raises(InvalidInput):
        EventFilter(order="random")


async def test_an_empty_window_and_strange_numbers_survive(
    conn: AsyncConnection, world: World
):
    event = new_event(
        1, window=np.empty((0, 2), np.float32), peak=float("inf"), offset_seq=1
    )
    await events.add(conn, [event])
    assert (await events.window(conn, event.id)).values.shape == (0, 2)
    assert (await events.get(conn, event.id)).peak == float("inf")


async def test_labelled_events_are_marked_by_the_label_that_counts(
    conn: AsyncConnection, world: World
) -> None:
    first, second = new_event(1), new_event(2)
    await events.add(conn, [first, second])

    async def unlabelled() -> list[UUID]:
        rows, _ = await events.list_(conn, EventFilter(labelled=False))
        return [row.id for row in rows]

    both = [first.id, second.id]
    assert await unlabelled() == both
    await labels.add_many(conn, [(one, "fist") for one in both], "ann", "person")
    assert await unlabelled() == []
    await labels.add(conn, first.id, "", "ann", "person")
    assert await unlabelled() == [first.id]
    rows, _ = await events.list_(conn, EventFilter(labelled=True))
    assert [row.id for row in rows] == [second.id]


async def test_list_bound_by_time_finds_events_whose_clock_ran_backwards(
    conn: AsyncConnection, world: World
) -> None:
    hours = [5, 1, 9, 2, 8, 3]
    new = [
        replace(
            new_event(n),
            onset=T0 + timedelta(hours=hour),
            offset=T0 + timedelta(hours=hour, seconds=1),
        )
        for n, hour in enumerate(hours, start=1)
    ]
    for one in new:
        await events.add(conn, [one])
    hour_of = {one.id: hour for one, hour in zip(new, hours, strict=True)}
    since, until = T0 + timedelta(hours=2), T0 + timedelta(hours=8)
    for order in ("asc", "desc"):
        wanted = EventFilter(since=since, until=until, order=order)
        rows, _ = await events.list_(conn, wanted)
        assert [hour_of[row.id] for row in rows] == (
            [5, 2, 3] if order == "asc" else [3, 2, 5]
        )
    nothing = EventFilter(since=T0 + timedelta(days=9))
    assert await events.list_(conn, nothing) == ([], None)
