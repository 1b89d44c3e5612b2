"""Which stretches of recordings thresholds are tuned on, and which judge them.

Every other stretch of five minutes is held out; chance, by the name of the stream, says
which one is the first.  It stays so while a recording grows.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.learning.compare import Counts, stretches

STRETCH_SECONDS = 300.0
LEAST_STRETCHES = 6
"""With fewer no difference can be significant."""


def n_stretches(length: float, step: float) -> int:
    """Return how many stretches a recording has; the last one is the longest."""
    return max(1, int(length // step))


def held_out(device: str, boot: str, n: int) -> NDArray[np.bool_]:
    """Say of each stretch of a stream whether it is held out.

    Examples
    --------
    >>> held_out("band-1", "b1", 4).tolist()
    [False, True, False, True]
    >>> held_out("band-3", "b1", 3).tolist()
    [True, False, True]
    """
    begin = zlib.crc32(f"{device}/{boot}".encode()) % 2
    turns: NDArray[np.bool_] = (np.arange(n) + begin) % 2 == 1
    return turns


def lengths(length: float, step: float) -> NDArray[np.float64]:
    """Return the length of each stretch of a recording.

    Examples
    --------
    >>> lengths(120, 50).tolist()
    [50.0, 70.0]
    """
    n = n_stretches(length, step)
    parts = np.full(n, float(step))
    parts[-1] = length - (n - 1) * step
    return parts


def counted(
    true: ArrayLike,
    found: ArrayLike,
    length: float,
    step: float,
    mask: NDArray[np.bool_],
) -> list[Counts]:
    """Count the matches of one recording in those stretches that a mask names."""
    counts = stretches(true, found, length, step)
    return [one for one, wanted in zip(counts, mask, strict=True) if wanted]
