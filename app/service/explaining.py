"""Why an event was given its class: worked out when first asked, kept with the event.

What a version makes of a window never changes, so an explanation stays true until
somebody moves the boundaries.  Which labelled events are the nearest is as of the time
when it was worked out; what they are labelled is as of now.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy.ext.asyncio import AsyncEngine

from app import features
from app.domain import Json, LabelledWindow
from app.errors import ArtefactError, Conflict
from app.learning.model import Model
from app.learning.why import explain, nearest
from app.service.champion import Champions
from app.store import events, explanations, labels, revisions
from app.store.events import Window
from app.store.explanations import StoredExplanation
from app.store.predictions import StoredPrediction

LOOKED_AT = 500
"""Events that were labelled last, among which the nearest are looked for."""
SHOWN = 5


@dataclass(frozen=True, slots=True, eq=False)
class _Question:
    """Everything that an explanation is worked out from."""

    event: UUID
    label: str
    version: int
    window: Window
    revisions: int
    labelled: Sequence[LabelledWindow]


async def explanation(
    engine: AsyncEngine,
    champions: Champions,
    event: UUID,
    *,
    thinking: asyncio.Semaphore,
    version: int | None = None,
    again: bool = False,
) -> StoredExplanation:
    """Return why a version gave an event its class.

    Parameters
    ----------
    thinking : Semaphore
        Held while it is worked out, which takes a core for 10 to 300 ms.
    version : int or None
        None: the version whose answer was given first.
    again : bool
        Work it out anew, with the labels that there are now.

    Raises
    ------
    NotFound
        If there is no such event.
    Conflict
        If no version (or not this one) has said anything of it, if none of its
        readings are kept, or if the version cannot be asked any more.
    """
    kept = None if again else await _kept(engine, event, version)
    if kept is not None:
        return await _with_labels(engine, kept)
    async with thinking:
        kept = None if again else await _kept(engine, event, version)
        if kept is None:
            question = await _ask(engine, event, version)
            try:
                model = await champions.get(question.version)
            except ArtefactError as error:
                raise Conflict(
                    f"model version {question.version} cannot be asked: {error}"
                ) from error
            body = await asyncio.to_thread(_answer, model, question)
            async with engine.begin() as conn:
                await events.get(conn, event)  # erased meanwhile: `NotFound`
                kept = await explanations.put(conn, event, question.version, body)
    return await _with_labels(engine, kept)


async def _kept(
    engine: AsyncEngine, event: UUID, version: int | None
) -> StoredExplanation | None:
    async with engine.connect() as conn:
        row = await events.get(conn, event)
        if version is None and row.prediction is not None:
            version = row.prediction.model_version
        kept = None if version is None else await explanations.get(conn, event, version)
        moved = len(await revisions.of_event(conn, event))
    return None if kept is None or kept.body["revisions"] != moved else kept


async def _ask(engine: AsyncEngine, event: UUID, version: int | None) -> _Question:
    async with engine.connect() as conn:
        row = await events.get(conn, event)
        said = _chosen(await events.predictions_of(conn, event), event, version)
        window = await events.window(conn, event)
        if not window.values.size:
            raise Conflict(f"of event {event} no readings are kept")
        moved = len(await revisions.of_event(conn, event))
        known = await labels.rows(conn, row.profile, newest=LOOKED_AT + 1)
    return _Question(
        event,
        said.prediction.label,
        said.prediction.model_version,
        window,
        moved,
        [one for one in known if one.event != event],
    )


def _chosen(
    said: Sequence[StoredPrediction], event: UUID, version: int | None
) -> StoredPrediction:
    for one in said:
        if version in (None, one.prediction.model_version):
            return one
    if version is None:
        raise Conflict(f"no model version has said anything of event {event} yet")
    raise Conflict(f"model version {version} has said nothing of event {event}")


def _answer(model: Model, asked: _Question) -> dict[str, Any]:
    """Work it out; blocks, for a thread."""
    shown, rate_hz = asked.window, asked.window.rate_hz
    why = explain(
        model,
        shown.values,
        shown.pre_roll,
        shown.post_roll,
        asked.label,
        shown.context,
    )
    names = [channel.name for channel in shown.channels]
    ranked = sorted(why.channels.items(), key=lambda one: -one[1].weight)
    return {
        "event": str(asked.event),
        "model_version": model.version,
        "artefact_sha256": model.card.graph_sha256,
        "label": why.label,
        "probability": why.probability,
        "nothing": why.nothing,
        "sentence": why.sentence(names, rate_hz, shown.pre_roll),
        "channels": [{"channel": names[c], **asdict(w)} for c, w in ranked],
        "parts": [
            {
                "first": a,
                "next": b,
                "from_seconds": (a - shown.pre_roll) / rate_hz,
                "to_seconds": (b - shown.pre_roll) / rate_hz,
                **asdict(w),
            }
            for a, b, w in why.parts
        ],
        "nearest": _nearest(model, asked),
        "compared": len(asked.labelled),
        "revisions": asked.revisions,
    }


def _nearest(model: Model, asked: _Question) -> list[dict[str, Any]]:
    reads = features.of_window(model.feature_set)

    def row(window: Any, pre_roll: int, post_roll: int) -> Any:
        return features.extract(window, model.rate_hz, pre_roll, post_roll, reads)

    known = [one for one in asked.labelled if one.window.size]
    shown = asked.window
    here = row(shown.values, shown.pre_roll, shown.post_roll)
    table = np.array([row(o.window, o.pre_roll, o.post_roll) for o in known])
    return [
        {
            "event": str(known[i].event),
            "device": known[i].device,
            "onset": known[i].at.isoformat(),
            "distance": distance,
        }
        for i, distance in nearest(here, table, SHOWN)
    ]


async def _with_labels(
    engine: AsyncEngine, kept: StoredExplanation
) -> StoredExplanation:
    """Add what the nearest events are labelled now; leave out those that are not."""
    body: Json = kept.body
    ids = [UUID(one["event"]) for one in body["nearest"]]
    async with engine.connect() as conn:
        said = await labels.latest(conn, ids)
    near = [
        {**one, "label": said[event].label}
        for one, event in zip(body["nearest"], ids, strict=True)
        if event in said
    ]
    return StoredExplanation({**body, "nearest": near}, kept.at)
