"""Shadows at work, in the trainer's process: nothing that serves waits for them.

The events that wait are the queue, read by position.  More than `BACKLOG` of them mean
that the shadow cannot keep up: the oldest are passed over and counted.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain import Prediction
from app.errors import OnsetError
from app.learning.evidence import chance
from app.learning.model import Model, classify
from app.service.champion import Champions
from app.store import shadows
from app.store.events import UnclassifiedEvent
from app.store.shadows import Answered, Shadow

log = structlog.get_logger()

BATCH = 100
BACKLOG = 1000
"""Events that may wait for a shadow; at a millisecond each, a second of work."""
SHOWN_PAIRS = 10


class Shadowing:
    """Asks the shadows of all profiles about the events that came."""

    def __init__(
        self, engine: AsyncEngine, champions: Champions, backlog: int = BACKLOG
    ) -> None:
        self._engine = engine
        self._champions = champions
        self._backlog = backlog

    async def look(self) -> int:
        """Ask every shadow about what waits; return how many answers were stored."""
        async with self._engine.connect() as conn:
            found = await shadows.present(conn)
        return sum([await self._ask(one) for one in found])

    async def try_look(self) -> None:
        """As `look`; a database that is away is met again next time."""
        try:
            await self.look()
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("shadows_postponed", error=type(error).__name__)

    async def _ask(self, shadow: Shadow) -> int:
        async with self._engine.begin() as conn:
            skipped = await shadows.skip(conn, shadow, self._backlog)
        if skipped:
            log.warning("shadow_skips", version=shadow.version, events=skipped)
        try:
            model = await self._champions.get(shadow.version)
        except OnsetError as error:
            log.error("shadow_failed", version=shadow.version, error=str(error))
            return 0
        total = 0
        for _ in range(-(-self._backlog // BATCH)):
            async with self._engine.connect() as conn:
                events, position = await shadows.waiting(conn, shadow.id, BATCH)
            if not events:
                break
            said = await asyncio.to_thread(_answers, model, events)
            async with self._engine.begin() as conn:
                await shadows.add(conn, shadow.id, said, position)
            total += len(said)
        return total


def _answers(
    model: Model, events: Sequence[UnclassifiedEvent]
) -> list[tuple[UUID, Prediction]]:
    said = []
    for one in events:
        try:
            answer = classify(
                model, one.window, one.pre_roll, one.post_roll, one.context
            )
        except OnsetError as error:
            log.warning("shadow_cannot_say", id=str(one.event), error=str(error))
        else:
            said.append((one.event, answer))
    return said


@dataclass(frozen=True, slots=True)
class Beside:
    """A shadow beside what was served.

    Parameters
    ----------
    events : int
        Answers of the shadow that are compared, the newest.
    compared, agree : int
        Those to which something was served; those where it was the same class.
    differ : list of (served, shadow, events), the most frequent first
    labelled : int
        Those of `compared` with a label.
    wins, losses : int
        Of the labelled: right by the shadow alone, by what served alone.
    shadow_accuracy, served_accuracy : float in [0, 1], None without labels
    p_better, p_worse : float in [0, 1]
        Probability of so many wins, or losses, between equals (sign test).
    """

    events: int
    compared: int
    agree: int
    differ: list[tuple[str, str, int]]
    labelled: int
    wins: int
    losses: int
    shadow_accuracy: float | None
    served_accuracy: float | None
    p_better: float
    p_worse: float
    sentence: str


def beside(said: Sequence[Answered]) -> Beside:
    """Compare what a shadow said with what was served and what people said.

    Examples
    --------
    >>> one = Answered(UUID(int=1), "fist", "wave", "fist")
    >>> beside([one]).sentence
    'Of 1 events both answered 0 alike; of 1 with a label the shadow has 1 right, what \
served 0 (p = 0.5).'
    """
    both = [one for one in said if one.served is not None]
    known = [one for one in both if one.truth is not None]
    ours = sum(one.label == one.truth for one in known)
    theirs = sum(one.served == one.truth for one in known)
    wins = sum(one.label == one.truth != one.served for one in known)
    losses = sum(one.served == one.truth != one.label for one in known)
    agree = sum(one.label == one.served for one in both)
    better, worse = chance(wins, losses), chance(losses, wins)
    pairs = Counter((str(one.served), one.label) for one in both)
    differ = [(*pair, n) for pair, n in pairs.most_common() if pair[0] != pair[1]]
    sentence = f"Of {len(both)} events both answered {agree} alike; " + (
        f"of {len(known)} with a label the shadow has {ours} right, what served "
        f"{theirs} (p = {min(better, worse):.2g})."
        if known
        else "none has a label yet."
    )
    return Beside(
        events=len(said),
        compared=len(both),
        agree=agree,
        differ=differ[:SHOWN_PAIRS],
        labelled=len(known),
        wins=wins,
        losses=losses,
        shadow_accuracy=ours / len(known) if known else None,
        served_accuracy=theirs / len(known) if known else None,
        p_better=better,
        p_worse=worse,
        sentence=sentence,
    )
