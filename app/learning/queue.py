"""Which events are most worth a label now.

Four things multiply, each between a floor and 1, so that none can silence the others:

uncertainty   how close the two best classes are; 1 where nobody said anything
rarity        how few labels the predicted class has, against the average class
freshness     halves in a week: yesterday's signals are what comes tomorrow
diversity     distance to what stands before it in the queue, so that it does not ask
              twenty times about one thing

Every tenth place goes to the *audit slice*, events chosen by a hash of their id and by
nothing else.  Labels of those are a fair sample of what devices send; accuracy counted
on what the model finds hard is not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np

from app.domain import Float32Array, FloatArray

AUDIT_SHARE = 0.1
AUDIT_EVERY = 10
HALF_LIFE_SECONDS = 7 * 86_400.0
FLOOR = 0.1
"""Least value of a factor."""


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """An event without a label.

    Parameters
    ----------
    at : datetime, aware, UTC
        When it was stored.
    predicted : str or None
        The best class, None where nobody said anything.
    probabilities : tuple of float
        Of all classes; empty where nobody said anything.
    features : float32 array (n_features,)
    """

    event: UUID
    at: datetime
    predicted: str | None
    probabilities: tuple[float, ...]
    unknown: bool
    features: Float32Array


@dataclass(frozen=True, slots=True)
class Pick:
    """A place in the queue, and why it is this one."""

    event: UUID
    score: float
    reason: str
    audit: bool


def rank(
    waiting: Sequence[Waiting], labelled: Mapping[str, int], limit: int, now: datetime
) -> list[Pick]:
    """Order events by what their label is worth.

    Parameters
    ----------
    waiting : sequence of Waiting
    labelled : mapping of class to how many labels it has
    limit : int > 0
    now : datetime, aware, UTC
    """
    if not waiting:
        return []
    worth = np.array([_worth(one, labelled, now) for one in waiting])
    places = _places(waiting)
    spread = _spread(places)
    nearest = np.full(len(waiting), np.inf)
    left = np.ones(len(waiting), dtype=bool)
    audits = [i for i, one in enumerate(waiting) if in_audit(one.event)]
    audits.sort(key=lambda i: (waiting[i].at, waiting[i].event.bytes), reverse=True)
    picks: list[Pick] = []
    while len(picks) < limit and left.any():
        apart = np.clip(1 - np.exp(-nearest / spread), FLOOR, 1.0)
        scores = np.where(left, worth * apart, -1.0)
        best = int(np.argmax(scores))
        audit = next((i for i in audits if left[i]), None)
        chosen = best
        if audit is not None and len(picks) % AUDIT_EVERY == AUDIT_EVERY - 1:
            chosen = audit
        picks.append(
            Pick(
                waiting[chosen].event,
                float(scores[chosen]),
                _reason(waiting[chosen], labelled, now, audit=chosen != best),
                chosen != best,
            )
        )
        left[chosen] = False
        away = np.linalg.norm(places - places[chosen], axis=1)
        nearest = np.minimum(nearest, away)
    return picks


def in_audit(event: UUID) -> bool:
    """Say whether an event belongs to the audit slice, for ever."""
    raw = hashlib.sha256(b"onset audit 1" + event.bytes).digest()
    return int.from_bytes(raw[:6], "big") / 2**48 < AUDIT_SHARE


def uncertainty(probabilities: Sequence[float]) -> float:
    """Give 1 minus the lead of the best class, 0..1; 1 where there is no answer.

    Examples
    --------
    >>> uncertainty([]), uncertainty([0.75, 0.25])
    (1.0, 0.5)
    """
    if len(probabilities) < 2:
        return 1.0
    second, best = sorted(probabilities)[-2:]
    return 1.0 - (best - second)


def rarity(predicted: str | None, labelled: Mapping[str, int]) -> float:
    """Give how rare a class is among the labels, 0..1; 1 for one that has none."""
    if predicted is None or not labelled:
        return 1.0
    even = sum(labelled.values()) / len(labelled)
    share = even / (even + labelled.get(predicted, 0))
    return min(1.0, 1.5 * share)


def freshness(at: datetime, now: datetime) -> float:
    """Give 1 for an event of now, a half for one of last week."""
    age = max((now - at).total_seconds(), 0.0)
    return float(0.5 ** (age / HALF_LIFE_SECONDS))


def _worth(one: Waiting, labelled: Mapping[str, int], now: datetime) -> float:
    unsure = 1.0 if one.unknown else uncertainty(one.probabilities)
    factors = (unsure, rarity(one.predicted, labelled), freshness(one.at, now))
    return float(np.prod([max(factor, FLOOR) for factor in factors]))


def _places(waiting: Sequence[Waiting]) -> FloatArray:
    """Put events where their features are, each feature in its own spread."""
    table = np.array([one.features for one in waiting], dtype=np.float64)
    spread = table.std(axis=0)
    known = spread > 0
    scaled = (table[:, known] - table[:, known].mean(axis=0)) / spread[known]
    return np.asarray(np.clip(scaled, -3.0, 3.0))


def _spread(places: FloatArray) -> float:
    """Give the usual distance between two events, never 0."""
    centre = np.linalg.norm(places - places.mean(axis=0), axis=1)
    return float(max(np.median(centre), 1e-9))


def _reason(
    one: Waiting, labelled: Mapping[str, int], now: datetime, *, audit: bool
) -> str:
    if audit:
        return "audit: chosen by chance, so that accuracy is counted on a fair sample"
    if one.predicted is None:
        return "no model has said anything of it"
    if one.unknown:
        return f"unlike what the model learnt; closest to {one.predicted!r}"
    best = max(one.probabilities)
    n = labelled.get(one.predicted, 0)
    return (
        f"{one.predicted!r} with probability {best:.2f}, "
        f"a class with {n} label{'' if n == 1 else 's'}"
    )
