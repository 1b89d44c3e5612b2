"""`GET /signals`: the newest readings of many devices in one stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi import Query as QueryOf
from pydantic import Field

from app.api.fields import Name, Query
from app.api.live import Events, say, stream_of, until_refused
from app.api.state import State, current, reach_of
from app.domain import Profile
from app.errors import InvalidInput, NotFound
from app.service.notify.signals import Wish
from app.store import devices, profiles

router = APIRouter(tags=["Live"])


class SignalsQuery(Query):
    """All devices of a profile, or those that are named; one of the two."""

    profile: Name | None = None
    device: list[Name] = Field(default=[], max_length=500)


@router.get("/signals", response_class=Events)
async def signals(
    request: Request,
    query: Annotated[SignalsQuery, QueryOf()],
    state: Annotated[State, Depends(current)],
) -> Events:
    """Send the readings of many devices as this process receives them.

    `hello` names the channels of each profile; then ten times a second `signals` has
    `blocks`, each of one device: `values` (null where there is none) from `first_seq`
    on, or above 200 readings/s `low` and `high` of every `step` readings.  A reader
    that falls two seconds behind loses frames; `dropped` says how many.
    """
    if (query.profile is None) == (not query.device):
        raise InvalidInput("name either one profile or one device or more")
    named = tuple(dict.fromkeys(query.device))
    wish = Wish(query.profile, named, reach_of(request))
    async with state.engine.begin() as conn:
        if query.profile is not None:
            names = {query.profile}
        else:
            registered = await devices.profiles_of(conn, wish.devices)
            missing = [one for one in wish.devices if one not in registered]
            if missing:
                raise NotFound(f"no device {missing[0]!r}")
            names = set(registered.values())
        shown = [await profiles.get(conn, name) for name in sorted(names)]
    return stream_of(watched(request, state, wish, shown))


async def watched(
    request: Request, state: State, wish: Wish, shown: Sequence[Profile]
) -> AsyncIterator[bytes]:
    """Say what devices send."""
    with state.signals.watch(wish) as viewer:
        yield say("hello", {"profiles": {one.name: _about(one) for one in shown}})
        async for frame in until_refused(request, state, viewer):
            yield say("dropped", {"frames": frame}) if isinstance(frame, int) else frame


def _about(profile: Profile) -> dict[str, Any]:
    channels = [{"name": one.name, "unit": one.unit} for one in profile.channels]
    return {"channels": channels, "rate_hz": profile.rate_hz}
