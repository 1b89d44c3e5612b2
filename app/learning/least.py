"""What a class must reach to be believed, and what that costs and saves.

A profile says it for each class: a least probability, a least duration.  It becomes
part of every model version that is trained from then on, so an answer stays a function
of window and version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.domain import Float32Array, Json, Prediction
from app.features.kernels import COLUMNS

Least = Mapping[str, Mapping[str, float]]
"""By class: ``probability`` and ``seconds``, each may be missing."""

PROBABILITY, SECONDS = "probability", "seconds"
COUNT = COLUMNS.index("count")
"""Of a feature vector: the readings of the event."""


def falls_short(
    least: Least, label: str, probability: float, row: Float32Array, rate_hz: float
) -> bool:
    """Say whether a class is not credible enough here, or its event too short."""
    wanted = least.get(label)
    if wanted is None:
        return False
    if probability < wanted.get(PROBABILITY, 0.0):
        return True
    return float(row[COUNT]) < wanted.get(SECONDS, 0.0) * rate_hz


def evidence(
    least: Least,
    said: Sequence[Prediction],
    labels: Sequence[str],
    rows: Sequence[Float32Array],
    rate_hz: float,
) -> dict[str, Json]:
    """Count on rows that were not learnt what each class's demand takes away.

    Parameters
    ----------
    said, labels, rows : answers, true labels and feature vectors, one of each a row

    Returns
    -------
    dict
        By class with a demand: its ``answers`` and how many of them are ``right``; how
        many of the right and of the wrong ones fall short.
    """
    found: dict[str, Json] = {}
    for name in least:
        mine = [
            (truth == name, falls_short(least, name, one.probability, row, rate_hz))
            for one, truth, row in zip(said, labels, rows, strict=True)
            if one.label == name
        ]
        found[name] = {
            **least[name],
            "answers": len(mine),
            "right": sum(right for right, _ in mine),
            "right_short": sum(right and short for right, short in mine),
            "wrong_short": sum(short and not right for right, short in mine),
        }
    return found
