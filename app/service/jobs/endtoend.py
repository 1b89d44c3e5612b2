"""Recorded streams through a detector and a model together: raw readings to labels.

The same `Stream` and `classify` as live.  Labelled events are true; those that one of
the models learnt are left out, with what was found of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.detection import Stream
from app.domain import NOTHING, DetectorVersion, Event, Profile, Readings
from app.features import Session
from app.learning.compare import Comparison, Counts
from app.learning.endtoend import (
    Answered,
    TrueEvent,
    compare_named,
    named_stretches,
)
from app.learning.heldout import STRETCH_SECONDS, n_stretches
from app.learning.model import Model, classify
from app.service.champion import load
from app.service.jobs.progress import Report
from app.service.jobs.rerun import Loaded, Recorded, pieces_of, served_in
from app.store import models, recordings
from app.store.artefacts import Artefacts
from app.store.events import EventRow

Mask = Callable[[Recorded], NDArray[np.bool_]]


async def champion_of(
    conn: AsyncConnection, artefacts: Artefacts, profile: str
) -> tuple[Model, frozenset[UUID]] | None:
    """Load the model that serves a profile, and the events that it learnt."""
    row = await models.champion(conn, profile)
    if row is None:
        return None
    used = [*row.manifest.get("train", ()), *row.manifest.get("holdout", ())]
    model = await asyncio.to_thread(load, artefacts, row)
    return model, frozenset(UUID(event) for event, _ in used)


async def name_again(
    engine: AsyncEngine,
    profile: Profile,
    side: Loaded,
    against: Loaded,
    progress: Report,
    *,
    device: str | None = None,
    mask: Mask | None = None,
) -> Comparison:
    """Compare two pairs of detector and model over recorded streams.

    Parameters
    ----------
    side, against : Loaded
        With a detector and a model each; `against` without any: what was served.
    device : str or None
        Only its streams.
    mask : function of a stream, or None
        Which stretches count; None: all.
    """
    async with engine.connect() as conn:
        streams = await recordings.of_profile(conn, profile.name)
    learnt = side.learnt | against.learnt
    step = STRETCH_SECONDS * profile.rate_hz
    ours: list[Counts] = []
    theirs: list[Counts] = []
    for k, one in enumerate(streams):
        stream = Recorded(*one)
        if device not in (None, stream.device):
            continue
        progress(f"naming events of {stream.device}/{stream.boot}", k / len(streams))
        served, _ = await served_in(engine, stream.device, stream.boot)
        true = _true(stream, served, learnt)
        if not true:
            continue
        pairs = [
            (loaded.detector, loaded.model)
            for loaded in (side, against)
            if loaded.detector is not None and loaded.model is not None
        ]
        found = await _named(engine, profile, pairs, stream)
        if against.detector is None:
            found.append(_served(stream, served))
        wanted = np.ones(n_stretches(len(stream), step), bool)
        if mask is not None:
            wanted = mask(stream)
        for counts, answers in zip((ours, theirs), found, strict=True):
            every = named_stretches(true, answers, len(stream), step)
            counts += [c for c, kept in zip(every, wanted, strict=True) if kept]
    return compare_named(theirs, ours)


def _true(
    stream: Recorded, served: Sequence[EventRow], learnt: frozenset[UUID]
) -> list[TrueEvent]:
    return [
        TrueEvent(
            stream.relative([(e.onset_seq, e.offset_seq)])[0],
            e.label.label,
            e.id not in learnt,
        )
        for e in served
        if e.label is not None and e.label.label != NOTHING
    ]


def _served(stream: Recorded, served: Sequence[EventRow]) -> list[Answered]:
    return [
        Answered(
            stream.relative([(e.onset_seq, e.offset_seq)])[0],
            None if e.prediction is None else e.prediction.label,
        )
        for e in served
        if e.detector_version
    ]


async def _named(
    engine: AsyncEngine,
    profile: Profile,
    pairs: Sequence[tuple[DetectorVersion, Model]],
    stream: Recorded,
) -> list[list[Answered]]:
    detecting = [
        (
            Stream(profile, version, stream.device, stream.boot),
            model,
            Session(profile.rate_hz),
        )
        for version, model in pairs
    ]
    found: list[list[Answered]] = [[] for _ in pairs]
    async for piece in pieces_of(
        engine, stream.device, stream.boot, stream.first, stream.after
    ):
        await asyncio.to_thread(_receive, detecting, stream, piece, found)
    return found


def _receive(
    detecting: Sequence[tuple[Stream, Model, Session]],
    of: Recorded,
    piece: Readings,
    found: list[list[Answered]],
) -> None:
    for (stream, model, session), answers in zip(detecting, found, strict=True):
        said = []
        if piece.first_seq > stream.next_seq:
            said += stream.skip(piece.first_seq, "not recorded")
        said += stream.receive(piece)
        stream.take_gaps()
        for event in said:
            if isinstance(event, Event):
                span = of.relative([(event.onset_seq, event.offset_seq)])[0]
                known = session.context(event.onset_seq)
                answer = classify(
                    model, event.window, event.pre_roll, event.post_roll, known
                )
                session.note(event, answer)
                answers.append(Answered(span, answer.label))
