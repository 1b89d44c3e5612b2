"""Lists of limited keys have all that the key reaches, page by page, and no more."""

from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain import Channel, Event, Profile
from app.domain.reach import Reach
from app.store import devices, event_filter, event_search, events, labels, profiles
from app.store.events import EventFilter, EventRow
from app.store.limited import within
from tests.store.rows import new_event, new_prediction

REACHES = [
    Reach(("arm",)),
    Reach(("arm", "leg*")),
    Reach(("nobody",)),
    Reach((), ("d1",)),
    Reach((), ("d1", "leg-*")),
    Reach(("leg*",), ("*-1", "moved")),
    Reach(("arm",), ("moved",)),
    Reach(("leg*",), ("moved",)),
    Reach((), ("*",)),
]
FILTERS: list[dict[str, Any]] = [
    {},
    {"device": "d1"},
    {"device": "moved"},
    {"profile": "arm"},
    {"profile": "leg-2"},
    {"label": "fist"},
    {"labelled": False},
    {"labelled": True},
    {"predicted": "rest"},
    {"predicted": "fist", "min_probability": 0.7, "profile": "arm"},
    {"flag": "gap"},
    {"model_version": 1},
    {"model_version": 99},
    {"device": "moved", "unknown": True},
]


@pytest.fixture
async def stored(engine: AsyncEngine) -> list[Event]:
    """Events of five devices in four profiles; one device has come to another."""
    made: list[Event] = []
    owners = {"d1": "arm", "moved": "arm", "leg-1": "leg-1", "leg-2": "leg-2"}
    async with engine.begin() as conn:
        for name in ("leg-1", "leg-2", "other"):
            await profiles.put(conn, Profile(name, (Channel("x"),), 50.0), None)
        for device, profile in owners.items():
            await devices.put(conn, device, profile)
        for number in range(1, 13):
            if number == 7:
                owners["moved"] = "other"
                await devices.put(conn, "moved", "other")
            for device, profile in owners.items():
                flags = {"flags": ("gap",)} if number % 3 == 0 else {}
                one = new_event(100 * number, device=device, profile=profile, **flags)
                made.append(one)
        await events.add(conn, made)
        said = [
            (one.id, new_prediction(1, ("fist", "rest")[n % 2], (0.5, 0.9)[n % 3 > 0]))
            for n, one in enumerate(made)
            if n % 5
        ]
        await events.add_predictions(conn, said)
        for one in made[::4]:
            await labels.add(conn, one.id, "fist", "ann", "person")
    return made


@pytest.mark.parametrize(("most", "turn"), [(0, 0), (1, 1), (50, 2)])
async def test_every_page_has_what_the_key_reaches_and_nothing_else(
    engine: AsyncEngine,
    stored: list[Event],
    most: int,
    turn: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_search, "MOST_LANES", most)
    if most == 0:  # too many even to be named: found as without lanes
        monkeypatch.setattr(event_filter, "MOST_NAMES", 0)
    for n, reach in enumerate(REACHES):
        for k, fields in enumerate(FILTERS[(n + turn) % 3 :: 3]):
            wanted = EventFilter(**fields, order=("asc", "desc")[k % 2])
            async with engine.begin() as conn:
                every, _ = await events.list_(conn, wanted)
            found: list[EventRow] = []
            cursor: str | None = ""
            async with within(engine, reach).begin() as conn:
                while cursor is not None:
                    page, cursor = await events.list_(conn, wanted, 7, cursor or None)
                    assert cursor is None or len(page) == 7
                    found += page
            reached = [e for e in every if reach.sees(e.profile, e.device)]
            assert found == reached, (reach, wanted)
