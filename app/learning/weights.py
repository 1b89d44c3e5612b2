"""How much each labelled row counts: no key may speak for a class alone.

Where several keys label a class, one that labels far more than the others decides what
the class is, be it by zeal, by mistake or by malice.  Its rows are weighed down until
its share of the class is at most `share`, but never below `LEAST`: a thousand rows
against three must not become three against three.  The weights of a class have a mean
of 1, so classes keep their balance.  With fewer than ``1 / share`` keys no division of
a class satisfies the cap, and nothing is weighed.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from app.domain import Json

LEAST = 0.25
"""A row of a capped key counts at least so much of what others' rows count."""


@dataclass(frozen=True, slots=True)
class Weighing:
    """What rows counted in a training.

    Parameters
    ----------
    key_share : float in (0, 1]
        Most that a key was to have of a class.
    rows : mapping of event to weight > 0
        Of all rows, trained on or held out.
    shares : mapping of class to (key, share of its weight)
        What each key had in the end.
    """

    key_share: float
    rows: Mapping[UUID, float]
    shares: Mapping[str, Mapping[str, float]]

    def to_json(self) -> Json:
        """Return plain JSON; `from_json` reads it."""
        return {
            "key_share": self.key_share,
            "rows": {str(event): weight for event, weight in self.rows.items()},
            "shares": {label: dict(of) for label, of in self.shares.items()},
        }

    @classmethod
    def from_json(cls, data: Json) -> Weighing:
        """Read what `to_json` wrote."""
        rows = {UUID(event): float(w) for event, w in data["rows"].items()}
        return cls(float(data["key_share"]), rows, data["shares"])


def weights_of(weighing: Weighing | None, events: Sequence[UUID]) -> tuple[float, ...]:
    """Return what events counted in a training; () if all the same."""
    if weighing is None:
        return ()
    return tuple(weighing.rows.get(event, 1.0) for event in events)


def weigh_keys(
    labels: Sequence[str], keys: Sequence[str], share: float
) -> tuple[float, ...]:
    """Return the weight of every row; () if all are 1.

    Parameters
    ----------
    labels, keys : sequence of str (n_rows,)
        What each row was labelled, and by which key; "" stands for nobody known.
    share : float in (0, 1]
        Most that a key may have of the weight of a class.

    Examples
    --------
    >>> weights = weigh_keys(["fist"] * 10, [*"aaaaaaabcd"], 0.4)
    >>> round(sum(weights[:7]), 2), round(sum(weights), 2)
    (4.0, 10.0)
    >>> weigh_keys(["fist"] * 10, [*"aaaaaaaabb"], 0.4)
    ()
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for label, key in zip(labels, keys, strict=True):
        counts[label][key] += 1
    factors = {label: _factors(count, share) for label, count in counts.items()}
    if all(f == 1.0 for of in factors.values() for f in of.values()):
        return ()
    return tuple(factors[y][key] for y, key in zip(labels, keys, strict=True))


def shares(
    labels: Sequence[str], keys: Sequence[str], weights: Sequence[float]
) -> dict[str, dict[str, float]]:
    """Return each key's share of the weight of each class, rounded to 4 places."""
    sums: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for label, key, weight in zip(
        labels, keys, weights or [1.0] * len(labels), strict=True
    ):
        sums[label][key] += weight
    return {
        label: {k: round(w / sum(of.values()), 4) for k, w in sorted(of.items())}
        for label, of in sorted(sums.items())
    }


def _factors(count: Mapping[str, int], share: float) -> dict[str, float]:
    """Return what a row of each key counts in a class with so many rows of each."""
    factors = dict.fromkeys(count, 1.0)
    if len(count) < math.ceil(1.0 / share - 1e-9):
        return factors
    order = sorted(count, key=lambda key: (-count[key], key))
    for capped in range(len(order)):
        rest = sum(count[key] for key in order[capped:])
        total = rest / (1.0 - capped * share) if capped * share < 1.0 else math.inf
        if count[order[capped]] <= share * total or not math.isfinite(total):
            break
        most = sum(count[key] for key in order[capped + 1 :])
        room = 1.0 - (capped + 1) * share
        each = share * most / room if room > 1e-9 else min(count.values())
        for key in order[: capped + 1]:
            factors[key] = max(each / count[key], LEAST)
    total = sum(count[key] * factors[key] for key in count)
    scale = sum(count.values()) / total
    return {key: factor * scale for key, factor in factors.items()}
