"""What a version was worth, and what it would have been trained on, as known at a time.

Labels, gold marks and predictions are append-only, and a version keeps what it said of
its held-out events, so every number can be computed again with what was known then:
later corrections change the answer for later, never the one for then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain import Profile
from app.learning.dataset import Dataset, manifest, split
from app.learning.evaluate import Answers, Mistake, Report, mistakes, score
from app.store import gold, labels, models, predictions, profiles
from app.store.labels import Known
from app.store.models import ModelVersion

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Training:
    """The training set as known at a time, beside what the version was trained on.

    Parameters
    ----------
    rows, holdout : int
        Events for training and for judging.
    digest : str
        Of the manifest that a training would have had; `same` as the version's?
    changed : list of (event, label in the manifest, label as known or None)
        At most `SHOWN`; `n_changed` counts all.
    added : int
        Labelled events that the version's manifest lacks.
    """

    rows: int
    holdout: int
    digest: str
    same: bool
    n_changed: int
    changed: list[tuple[UUID, str, str | None]]
    added: int


@dataclass(frozen=True, slots=True)
class Hindsight:
    """A version as known at a time.

    Parameters
    ----------
    holdout, gold : Report or None
        None where the version has not kept its answers, or was not asked.
    mistakes : list of Mistake
        Held-out events that it named wrongly, the surest first, at most `SHOWN`.
    served, right : int
        Its first answers until then to events with a label, and how many were right.
    """

    version: int
    profile: str
    as_of: datetime
    holdout: Report | None
    gold: Report | None
    mistakes: list[Mistake]
    served: int
    right: int
    training: Training


async def recall(engine: AsyncEngine, version: int, as_of: datetime) -> Hindsight:
    """Compute the report of a version with what was known at a time.

    Raises
    ------
    NotFound
        If there is no such version.
    """
    async with engine.connect() as conn:
        await conn.execution_options(isolation_level="REPEATABLE READ")
        row = await models.get(conn, version)
        profile = await profiles.get(conn, row.profile)
        known = await labels.known(conn, row.profile, as_of)
        chosen = await gold.known(conn, row.profile, as_of)
        served = await predictions.served(conn, version, as_of)
    return await asyncio.to_thread(_recall, row, profile, known, chosen, served, as_of)


def _recall(
    row: ModelVersion,
    profile: Profile,
    known: Sequence[Known],
    chosen: Mapping[UUID, str],
    served: Mapping[UUID, str],
    as_of: datetime,
) -> Hindsight:
    truth = {one.event: one.label for one in known}
    kept = row.manifest.get("answers", {})
    judged = [event for event in served if event in truth]
    return Hindsight(
        version=row.version,
        profile=row.profile,
        as_of=as_of,
        holdout=_scored(kept.get("holdout"), truth),
        gold=_scored(kept.get("gold"), chosen),
        mistakes=_mistakes(kept.get("holdout"), truth),
        served=len(judged),
        right=sum(served[event] == truth[event] for event in judged),
        training=_training(row, profile, known, chosen),
    )


def _scored(
    answers: Mapping[str, object] | None, truth: Mapping[UUID, str]
) -> Report | None:
    return None if answers is None else score(Answers.from_json(answers), truth)


def _mistakes(
    answers: Mapping[str, object] | None, truth: Mapping[UUID, str]
) -> list[Mistake]:
    if answers is None:
        return []
    return mistakes(Answers.from_json(answers), truth, SHOWN)


def _training(
    row: ModelVersion,
    profile: Profile,
    known: Sequence[Known],
    chosen: Mapping[UUID, str],
) -> Training:
    rows = [one for one in known if one.event not in chosen]
    rows.sort(key=lambda one: (one.at, one.event.bytes))
    weighing = row.manifest.get("weighing")
    share = profile.retrain.key_share if weighing is None else weighing["key_share"]
    outline = Dataset(
        profile.name,
        profile.n_channels,
        profile.rate_hz,
        tuple(one.event for one in rows),
        tuple(one.device for one in rows),
        tuple(one.at for one in rows),
        tuple(one.label for one in rows),
        np.empty((len(rows), 0), dtype=np.float32),
        keys=tuple(one.by for one in rows),
    ).weighed(float(share))
    parts = split(outline)
    listed = manifest(outline, parts, row.feature_set, float(share))
    now = dict(zip(outline.events, outline.labels, strict=True))
    then = {
        UUID(event): str(label)
        for part in ("train", "holdout")
        for event, label in row.manifest.get(part, ())
    }
    changed = [(e, y, now.get(e)) for e, y in then.items() if now.get(e) != y]
    return Training(
        rows=len(parts.train),
        holdout=len(parts.holdout),
        digest=listed.digest,
        same=listed.digest == row.manifest.get("digest"),
        n_changed=len(changed),
        changed=changed[:SHOWN],
        added=sum(event not in then for event in now),
    )
