"""How much has been seen: noise that hangs together says less than its length.

What a stream is like is known as well as it was looked at independently.  White noise
gives a look a reading; noise that wanders gives one each time that it has forgotten
where it was.  From few looks a deviation is badly known, so that an event has to be
further out, as far as Student's distribution says; and what changes slowly has to be
remembered for longer.

References
----------
Student (1908), The probable error of a mean, Biometrika 6(1), 1-25.
Wallace (1959), Bounds on normal approximations to Student's and the chi-square
distributions, Ann. Math. Stat. 30(4), 1121-1130.
Kedem (1986), Spectral analysis and discrimination by zero-crossings, Proc. IEEE
74(11), 1477-1493: crossings tell how values hang together.
"""

from __future__ import annotations

import math

from app.domain.compiled import compiled

RARE = 4.4
"""Normal deviations that one look in a day of blocks of half a second exceeds."""
LEAST = 1.0
"""Looks, at least: from less nothing can be said."""
MOST = 300.0
"""Looks from which on Student's distribution is as good as normal."""
CROSSINGS = 0.5
"""Of independent values, that share lies on the other side than the one before."""
SMALLEST = 1e-3
"""Share of crossings, at least: so few looks a value are not told from none."""


@compiled
def wander(by: float, variances: float, size: int) -> float:
    """Say how a mean moved from one block to the next, 1 where noise is white.

    Parameters
    ----------
    by : difference of the two means
    variances : sum of the variances within the two blocks
    size : readings in each, and the greatest answer
    """
    if by == 0.0:
        return 0.0
    squared = by * by * size
    if squared >= size * variances:
        return 1.0 * size
    return squared / variances


@compiled
def caution(looks: float) -> float:
    """Give how much further out an event must be than if all were known, from 1 up."""
    if looks >= MOST:
        return 1.0
    n = max(looks, LEAST)
    return math.sqrt(n * (math.exp(RARE * RARE / n) - 1.0)) / RARE


@compiled
def looks_a_value(crossings: float) -> float:
    """Say how many independent looks a value is worth, from its share of crossings.

    Of normal values whose neighbours correlate by r, arccos(r) / pi cross their median;
    n of them are worth n (1 - r) / (1 + r).
    """
    half = 0.5 * math.pi * min(max(crossings, SMALLEST), CROSSINGS)
    # the tangent, to 3e-4: once a block and channel it counts what a call takes
    square = half * half
    tangent = half * (15.0 - square) / (15.0 - 6.0 * square)
    return tangent * tangent
