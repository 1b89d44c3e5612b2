"""What a running service hands to its routes: built once, in the lifespan."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import HTTPConnection, Request

from app.api.rate import Allowance
from app.api.tickets import Tickets
from app.domain.reach import EVERYTHING, Reach
from app.service.champion import Champions
from app.service.keyring import KeyRing
from app.service.notify.hub import Hub
from app.service.notify.signals import Signals
from app.service.streams.load import Load
from app.store import limited
from app.store.artefacts import Artefacts


@dataclass(frozen=True, slots=True)
class State:
    """The parts that routes talk to.

    Parameters
    ----------
    ready : callable
        Returns each reason why this process must not get traffic; empty when it may.
    started : callable
        Whether the start is over; once it is, it stays so.
    started_at : datetime, aware, UTC
    allowance : Allowance or None
        How much one key may ask; None: as much as it likes.
    origins : frozenset of str
        Pages of other origins that may open a device socket.
    thinking : Semaphore
        Held by what takes a core for longer than a few milliseconds.
    """

    engine: AsyncEngine
    champions: Champions
    hub: Hub
    signals: Signals
    artefacts: Artefacts
    registry: CollectorRegistry
    ready: Callable[[], Iterable[str]]
    started: Callable[[], bool]
    started_at: datetime
    keys: KeyRing
    load: Load
    tickets: Tickets = field(default_factory=Tickets)
    allowance: Allowance | None = None
    origins: frozenset[str] = frozenset()
    thinking: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))


def state_of(connection: HTTPConnection) -> State:
    """Return the state of the application that serves a connection."""
    state: State = connection.app.state.onset
    return state


def current(request: Request) -> State:
    """Return the state as the caller may see it, as a FastAPI dependency.

    Whatever a limited key asks of the database is answered by `store.limited`; what
    is in memory (hub, signals, champions) a route must hold to its `reach`.
    """
    state = state_of(request)
    reach = reach_of(request)
    if not reach.limited:
        return state
    return replace(state, engine=limited.within(state.engine, reach))


def reach_of(request: Request) -> Reach:
    """Return how far the caller's key reaches."""
    found: Reach = getattr(request.state, "reach", EVERYTHING)
    return found
