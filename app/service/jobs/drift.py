"""One look at drift: reads what the champion learnt and what came since, compares."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from sqlalchemy.ext.asyncio import AsyncEngine

from app import features
from app.domain import LabelledWindow, Profile
from app.errors import NotFound
from app.learning import Model
from app.learning.dataset import build
from app.learning.drift import BUDGET, MAX_EVENTS, MIN_EVENTS, Drift, Sample, measure
from app.service.champion import Champions
from app.store import devices, models, profiles, windows
from app.store.models import ModelVersion

NEWEST, FEWEST, USUAL = MAX_EVENTS, MIN_EVENTS, 200
"""How many recent events a look may take: at most, at least, unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a look found, and at what.

    Parameters
    ----------
    model_version : int
        The champion.
    reference : {"device", "profile"}
        Whose part of the training rows the input was compared with.
    events : int
        Recent events that the champion had not learnt.
    """

    profile: str
    device: str | None
    model_version: int
    reference: str
    events: int
    drift: Drift


@dataclass(frozen=True, slots=True, eq=False)
class _Material:
    learnt: list[LabelledWindow]
    recent: list[LabelledWindow]
    answers: list[float]
    row: ModelVersion


async def look(
    engine: AsyncEngine,
    champions: Champions,
    profile: str,
    device: str | None = None,
    n_events: int = USUAL,
    budget: float = BUDGET,
) -> Look:
    """Compare the newest events of a profile or a device with what the champion learnt.

    `budget` is the probability of an alarm without drift.

    Raises
    ------
    NotFound
        If there is no such profile, no such device in it, or no champion.
    ArtefactError
        If the champion cannot be loaded.
    """
    async with engine.begin() as conn:
        declared = await profiles.get(conn, profile)
        if device is not None:
            owner = (await devices.get(conn, device)).profile
            if owner != profile:
                raise NotFound(f"device {device} is none of profile {profile}")
        row = await models.champion(conn, profile)
        if row is None:
            raise NotFound(f"profile {profile} has no model yet: label events")
        listed = models.listed(row)
        # the champion does not answer for devices with a model of their own
        stream = windows.Stream(profile, device, shared=device is None)
        reference = "profile" if device is None else "device"
        chosen = await windows.present(conn, stream, listed)
        if len(chosen) < MIN_EVENTS:
            reference = "profile"
            chosen = await windows.present(conn, windows.Stream(profile), listed)
        recent = await windows.newest(conn, stream, n_events, listed)
        material = _Material(
            learnt=await windows.of(conn, thin(chosen, MAX_EVENTS)),
            recent=recent,
            answers=await windows.first_answers(
                conn,
                stream,
                row.version,
                MAX_EVENTS,
                [*listed, *(one.event for one in recent)],
            ),
            row=row,
        )
    model = await champions.get(row.version)
    drift = await asyncio.to_thread(_compare, declared, model, material, budget)
    return Look(profile, device, row.version, reference, len(recent), drift)


def thin(rows: Sequence[UUID], limit: int) -> list[UUID]:
    """Take at most `limit` rows, evenly over all of them.

    Examples
    --------
    >>> [row.int for row in thin([UUID(int=i) for i in range(9)], 3)]
    [0, 4, 8]
    """
    if len(rows) <= limit:
        return list(rows)
    return [rows[i] for i in np.linspace(0, len(rows) - 1, limit).round().astype(int)]


def _compare(
    profile: Profile, model: Model, material: _Material, budget: float
) -> Drift:
    learnt = build(profile, material.learnt)
    recent = build(profile, material.recent, model.feature_set)
    said = [model.predict(row) for row in recent.features]
    right = [
        one.label == truth
        for one, truth in zip(said, recent.labels, strict=True)
        if truth
    ]
    holdout = material.row.report.get("holdout") or {"n": 0, "accuracy": 0.0}
    return measure(
        Sample(
            features=learnt.features,
            top=np.array(material.answers, dtype=np.float64),
            right=round(holdout["n"] * holdout["accuracy"]),
            judged=int(holdout["n"]),
        ),
        Sample(
            features=recent.table(features.PLAIN),
            top=np.array([one.probability for one in said], dtype=np.float64),
            right=sum(right),
            judged=len(right),
        ),
        features.names([channel.name for channel in profile.channels]),
        budget,
    )
