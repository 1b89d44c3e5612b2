"""Events that nobody could classify in time are classified when there is a model.

Done by the trainer process alone: at its start, after every swap, and now and then.
The unique (event, model version) of `predictions` makes a second run a no-op.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain import Prediction, PredictionLog
from app.errors import OnsetError
from app.learning.model import Model, classify
from app.service.notify import alerts
from app.store import engine as database
from app.store import events
from app.store.events import UnclassifiedEvent

log = structlog.get_logger()

BATCH = 100
"""Events per transaction; their ids fit into one notification (8000 bytes)."""
MAX_HOPELESS = 1000
"""Events without a possible answer that are remembered and passed over."""

Row = tuple[UUID, Prediction]
Of = Callable[[str], Model | None]


class LateClassifier:
    """Gives a prediction to events that have none: the champion's, or the device's."""

    def __init__(
        self, engine: AsyncEngine, log: PredictionLog = PredictionLog.ALL
    ) -> None:
        self._engine = engine
        self._log = log
        self._hopeless: dict[str, set[UUID]] = {}

    async def run(self, model: Model, of: Of | None = None) -> int:
        """Classify everything of the model's profile that has no prediction.

        Parameters
        ----------
        model : Model
            The champion.
        of : function of a device, or None
            Gives the model that serves it.

        Returns
        -------
        int
            How many events got one.
        """
        hopeless = self._hopeless.setdefault(model.profile, set())
        if len(hopeless) > MAX_HOPELESS:
            hopeless.clear()
        total = 0
        while True:
            async with self._engine.connect() as conn:
                found = await events.unclassified(
                    conn, model.profile, BATCH + len(hopeless)
                )
            batch = [e for e in found if e.event not in hopeless][:BATCH]
            if not batch:
                break
            rows = await asyncio.to_thread(_classify, of or (lambda _: model), batch)
            hopeless |= {e.event for e in batch} - {event for event, _ in rows}
            async with self._engine.begin() as conn:
                kept = [(event, self._log.kept(event, said)) for event, said in rows]
                await events.add_predictions(conn, kept)
                if rows:
                    await alerts.consider(conn, [event for event, _ in rows])
                    await database.notify(
                        conn, "onset_predictions", _payload(model.profile, rows)
                    )
            total += len(rows)
            if len(hopeless) > MAX_HOPELESS:
                log.error("classify_later_gives_up", profile=model.profile)
                break
        if total:
            log.info(
                "classified_later",
                profile=model.profile,
                model_version=model.version,
                events=total,
            )
        return total

    async def try_run(self, model: Model, of: Of | None = None) -> None:
        """As `run`; a database that is away is met again next time."""
        try:
            await self.run(model, of)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("classify_later_postponed", error=type(error).__name__)


def _classify(of: Of, batch: Sequence[UnclassifiedEvent]) -> list[Row]:
    rows: list[Row] = []
    for event in batch:
        model = of(event.device)
        if model is None:
            continue
        try:
            said = classify(
                model, event.window, event.pre_roll, event.post_roll, event.context
            )
        except OnsetError as error:
            log.warning("classify_failed", id=str(event.event), error=str(error))
        else:
            rows.append((event.event, said))
    return rows


def _payload(profile: str, rows: Sequence[Row]) -> str:
    said = {"profile": profile, "events": [str(event) for event, _ in rows]}
    return json.dumps(said)
