"""Which found spans are which true ones: one definition for every score.

A found and a true span match when their intersection over union is at least `iou`;
matching is one to one, most pairs first, then the largest total overlap.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from app.domain.arrays import FloatArray


def overlaps(true: ArrayLike, found: ArrayLike) -> FloatArray:
    """Give the intersection over union of every pair, ``(n_true, n_found)``, 0..1.

    Parameters
    ----------
    true, found : (n, 2), begin and end of each span, in any one unit
    """
    a = np.asarray(true, dtype=np.float64).reshape(-1, 1, 2)
    b = np.asarray(found, dtype=np.float64).reshape(1, -1, 2)
    shared = np.minimum(a[..., 1], b[..., 1]) - np.maximum(a[..., 0], b[..., 0])
    shared = np.maximum(shared, 0.0)
    union = (a[..., 1] - a[..., 0]) + (b[..., 1] - b[..., 0]) - shared
    return np.asarray(shared / np.maximum(union, 1e-9))


def match(true: ArrayLike, found: ArrayLike, iou: float = 0.5) -> list[tuple[int, int]]:
    """Pair true and found spans one to one; indices into both.

    Examples
    --------
    >>> match([(0, 10)], [(1, 10), (11, 12)])
    [(0, 0)]
    """
    # imported here: scipy is a third of the time that a service needs to start
    from scipy.optimize import linear_sum_assignment

    share = overlaps(true, found)
    if not share.size:
        return []
    weights = np.where(share >= iou, 1000.0 + share, 0.0)
    rows, columns = linear_sum_assignment(-weights)
    return [
        (int(i), int(j))
        for i, j in zip(rows, columns, strict=True)
        if share[i, j] >= iou
    ]
