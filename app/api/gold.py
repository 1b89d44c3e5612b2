"""`/profiles/{name}/gold`: events that judge models and teach none."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi import Query as QueryOf
from pydantic import Field

from app.api.access import Caller, who
from app.api.fields import (
    Answer,
    Body,
    EventId,
    Page,
    PageQuery,
    ProfilePath,
    Time,
    example,
)
from app.api.state import State, current
from app.errors import InvalidInput
from app.store import audit, gold, profiles
from app.store.pages import cursor_of, text_in

router = APIRouter(prefix="/profiles", tags=["Profiles"])

MAX_EVENTS = 1000


class GoldBody(Body):
    """Which events; `gold: false` takes them out again."""

    events: Annotated[list[EventId], Field(min_length=1, max_length=MAX_EVENTS)]
    gold: bool = True

    model_config = example({"events": ["0e6e1a1c-21f4-5d39-8a70-4f2b8e8f0a11"]})


class GoldAnswer(Answer):
    """An event of the gold set, with the label that was frozen, by whom and when."""

    event: UUID
    label: str
    by: str
    at: Time


class GoldCountAnswer(Answer):
    """How many events the gold set has now."""

    profile: str
    gold: int


@router.post("/{name}/gold")
async def mark_gold(
    name: ProfilePath,
    body: GoldBody,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> GoldCountAnswer:
    """Put labelled events into the gold set of a profile, or take them out.

    Their present labels are frozen. No model is trained on them; a challenger that is
    worse on them than the champion is rejected.
    """
    act = gold.mark if body.gold else gold.unmark
    async with state.engine.begin() as conn:
        await profiles.get(conn, name)
        await act(conn, name, body.events, caller.name)
        after = {"gold": body.gold, "events": [str(event) for event in body.events]}
        await audit.record(conn, caller.name, "gold", f"profile:{name}", after=after)
        return GoldCountAnswer(profile=name, gold=await gold.count(conn, name))


@router.get("/{name}/gold")
async def list_gold(
    name: ProfilePath,
    query: Annotated[PageQuery, QueryOf()],
    state: Annotated[State, Depends(current)],
) -> Page[GoldAnswer]:
    """List the gold set of a profile, by event id."""
    after = None if query.cursor is None else _event_in(query.cursor)
    async with state.engine.begin() as conn:
        await profiles.get(conn, name)
        rows = await gold.list_(conn, name, query.limit + 1, after)
    items = [GoldAnswer.model_validate(row) for row in rows[: query.limit]]
    more = len(rows) > query.limit
    return Page(
        items=items, next_cursor=cursor_of(str(items[-1].event)) if more else None
    )


def _event_in(cursor: str) -> UUID:
    try:
        return UUID(text_in(cursor))
    except ValueError:
        raise InvalidInput("cursor is none that this list gave out") from None
