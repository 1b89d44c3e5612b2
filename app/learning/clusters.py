"""Events that no class accounts for, gathered into what may be new classes.

Features are standardised and reduced to the directions in which the events differ most,
and the events joined by Ward's method (1963).  How many clusters there are is judged by
the mean silhouette (Rousseeuw 1987): of the numbers that do nearly as well as the best,
the greatest, since a cluster is to be named as a whole, and two of one class do less
harm than one of two.  What is nearer to another cluster than to its own stays alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.domain import Float32Array, FloatArray

LEAST_SIZE = 3
MOST_CLUSTERS = 12
DIMENSIONS = 12
CLIP = 3.0
NEARLY = 0.8
"""Share of the best score that a greater number of clusters must reach."""
ONE = 0.15
"""With a worse silhouette than this all events are one cluster."""


REACH = 1.5
"""How far from a cluster an event may be that joins it, against its farthest member."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Events that are like one another.

    Parameters
    ----------
    id : str, 12 hexadecimal digits
        The same for the same members.
    members : tuple of UUID
        The most typical one first.
    tightness : float in [0, 1]
        Mean silhouette: 1 where the members are the same, near 0 where they are hardly
        nearer to one another than to others.
    """

    id: str
    members: tuple[UUID, ...]
    tightness: float


def gather(events: Sequence[UUID], table: Float32Array) -> list[Cluster]:
    """Find clusters among events, the largest first.

    Parameters
    ----------
    events : sequence of UUID
    table : float32 array (n_events, n_features)

    Examples
    --------
    >>> table = np.repeat([[0.0, 0.1], [5.0, 4.9]], 4, axis=0).astype(np.float32)
    >>> table += np.arange(8, dtype=np.float32)[:, None] / 100
    >>> found = gather([UUID(int=i) for i in range(8)], table)
    >>> [len(cluster.members) for cluster in found]
    [4, 4]
    """
    if len(events) < LEAST_SIZE:
        return []
    places = _places(table)
    apart = np.sqrt(((places[:, None] - places) ** 2).sum(axis=2))
    number, inside = _best(apart)
    found = []
    for k in range(number.max() + 1):
        mine = np.flatnonzero((number == k) & (inside >= 0))
        if len(mine) < LEAST_SIZE:
            continue
        order = mine[np.argsort(apart[np.ix_(mine, mine)].sum(axis=1), kind="stable")]
        members = tuple(events[i] for i in order)
        tight = float(np.clip(inside[mine].mean(), 0.0, 1.0))
        found.append(Cluster(_id(members), members, tight))
    return sorted(found, key=lambda c: (-len(c.members), -c.tightness, c.id))


def _id(members: Sequence[UUID]) -> str:
    raw = b"".join(sorted(event.bytes for event in members))
    return hashlib.sha256(raw).hexdigest()[:12]


def _places(table: Float32Array) -> FloatArray:
    """Put events where they differ most, (n_events, at most `DIMENSIONS`)."""
    wide = table.astype(np.float64)
    spread = wide.std(axis=0)
    moves = spread > 0
    if not moves.any():
        return np.zeros((len(wide), 1))
    scaled = (wide[:, moves] - wide[:, moves].mean(axis=0)) / spread[moves]
    scaled = np.clip(scaled, -CLIP, CLIP)
    scaled -= scaled.mean(axis=0)
    turned, power, _ = np.linalg.svd(scaled, full_matrices=False)
    places: FloatArray = turned[:, :DIMENSIONS] * power[:DIMENSIONS]
    return places


def _best(apart: FloatArray) -> tuple[NDArray[np.int64], FloatArray]:
    """Choose how many clusters there are; the number and silhouette of every event."""
    # imported here: the service need not load scipy to start
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    tree = linkage(squareform(apart, checks=False), "ward")
    tried: list[tuple[float, NDArray[np.int64]]] = []
    for count in range(2, min(2 * MOST_CLUSTERS, len(apart) - 1) + 1):
        number = fcluster(tree, count, "maxclust").astype(np.int64) - 1
        enough = np.bincount(number) >= LEAST_SIZE
        if not 2 <= enough.sum() <= MOST_CLUSTERS:
            continue
        inside = _silhouettes(apart, number)
        # those that stay alone count as 0: else a few events make the best clusters
        tried.append((float((inside * enough[number]).mean()), number))
    best = max((score for score, _ in tried), default=0.0)
    if best <= ONE:
        return np.zeros(len(apart), dtype=np.int64), _alone(apart)
    number = _adopted(apart, [one for one in tried if one[0] >= NEARLY * best][-1][1])
    return number, _silhouettes(apart, number)


def _adopted(apart: FloatArray, number: NDArray[np.int64]) -> NDArray[np.int64]:
    """Let events of clusters that are too small join one that they lie within."""
    sizes = np.bincount(number)
    whole = np.flatnonzero(sizes >= LEAST_SIZE)
    one_hot = (number[:, None] == whole).astype(np.float64)
    mean = (apart @ one_hot) / np.maximum(sizes[whole] - one_hot, 1)
    reach = REACH * np.where(one_hot > 0, mean, 0.0).max(axis=0)
    nearest = mean.argmin(axis=1)
    rows = np.arange(len(number))
    stray = (sizes[number] < LEAST_SIZE) & (mean[rows, nearest] <= reach[nearest])
    joined = np.where(stray, whole[nearest], number)
    renumbered: NDArray[np.int64] = np.unique(joined, return_inverse=True)[1]
    return renumbered


def _alone(apart: FloatArray) -> FloatArray:
    """Say how tight all events are as one cluster: those far from all do not belong."""
    mean = apart.sum(axis=1) / max(len(apart) - 1, 1)
    usual = float(np.median(mean))
    inside: FloatArray = np.where(mean > 2 * usual, -1.0, 0.0)
    return inside


def _silhouettes(apart: FloatArray, number: NDArray[np.int64]) -> FloatArray:
    """Give (b - a) / max(a, b) of every event: a to its own, b to the next cluster."""
    one_hot = np.eye(number.max() + 1)[number]
    sizes = one_hot.sum(axis=0)
    total = apart @ one_hot
    rows = np.arange(len(apart))
    own = total[rows, number] / np.maximum(sizes[number] - 1, 1)
    mean = total / sizes
    mean[rows, number] = np.inf
    other = mean.min(axis=1)
    largest = np.maximum(np.maximum(own, other), 1e-12)
    out: FloatArray = np.where(sizes[number] > 1, (other - own) / largest, 0.0)
    return out
