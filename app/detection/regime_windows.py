"""Two windows side by side: what is in each, and how much they differ."""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import NDArray

from app.detection.detector import OWN
from app.domain import Float32Array, FloatArray
from app.domain.compiled import compiled

STATISTICS = 3
"""Of a part: its mean, its variance, its mean squared step."""
MOST = 1e3
"""Squared deviations at most: a step between two stuck values is not infinite."""
FURTHEST = 3.0
"""Log ratio of two variances at most: out of silence it would be infinite."""
LEAST_ERROR = 0.05
"""Smallest relative error of a variance that is believed, for each part's root."""
RESOLUTION = 2.0**-20
"""Of a float32 value: below it, differences are rounding."""
SILENCE = 1e-30
"""Smallest variance: of a channel stuck at 0."""
# ints, behind those of every detector
IN_TICK, TICKS = OWN, OWN + 1
# floats: rows of a value a channel
REFERENCE, BEFORE, FIRST, TOTAL, SQUARES, STEPS = range(6)
ROWS = 6


@compiled
def close_part(
    size: int, ints: NDArray[Any], per_channel: FloatArray, parts: Float32Array
) -> None:
    """Write down the statistics of the part that is complete."""
    at = ints[TICKS] % parts.shape[0]
    for c in range(per_channel.shape[1]):
        shift = per_channel[TOTAL, c] / size
        mean = per_channel[FIRST, c] - per_channel[REFERENCE, c] + shift
        parts[at, 0, c] = mean
        parts[at, 1, c] = max(per_channel[SQUARES, c] / size - shift * shift, 0.0)
        parts[at, 2, c] = per_channel[STEPS, c] / size
        per_channel[TOTAL, c] = 0.0
        per_channel[SQUARES, c] = 0.0
        per_channel[STEPS, c] = 0.0
    ints[TICKS] += 1
    ints[IN_TICK] = 0


@compiled
def compare(oldest: int, per_channel: FloatArray, parts: Float32Array) -> float:
    """Give how much the two windows differ, about 1 by chance alone."""
    total = 0.0
    freedom = parts.shape[0] - 2.0
    for c in range(parts.shape[2]):
        old = describe(oldest, c, parts)
        new = describe(oldest + parts.shape[0] // 2, c, parts)
        rounding = RESOLUTION * per_channel[BEFORE, c]
        least = rounding * rounding + SILENCE
        away = new[0] - old[0]
        total += ratio(away * away, new[1] + old[1] + least, freedom)
        for k in (2, 4):
            away = math.log((new[k] + least) / (old[k] + least))
            away = min(max(away, -FURTHEST), FURTHEST)
            error = relative(new[k + 1], new[k] + least)
            error += relative(old[k + 1], old[k] + least)
            total += ratio(away * away, error, freedom)
    return float(total / (STATISTICS * parts.shape[2]))


@compiled
def ratio(square: float, error: float, freedom: float) -> float:
    """Give twice the log likelihood ratio of a difference: tame where t is wild."""
    return float(freedom * math.log1p(min(square / error, MOST) / freedom))


@compiled
def relative(error: float, value: float) -> float:
    """Give the squared relative error of a variance."""
    return float(max(error / (value * value), LEAST_ERROR * LEAST_ERROR))


@compiled
def describe(
    first: int, c: int, parts: Float32Array
) -> tuple[float, float, float, float, float, float]:
    """Give level, power and pace of a channel in a window, each with its error."""
    n = parts.shape[0] // 2
    level = 0.0
    pace = 0.0
    for k in range(n):
        at = (first + k) % parts.shape[0]
        level += parts[at, 0, c]
        pace += parts[at, 2, c]
    level /= n
    pace /= n
    power = 0.0
    level_squares = 0.0
    power_squares = 0.0
    pace_squares = 0.0
    for k in range(n):
        at = (first + k) % parts.shape[0]
        away = parts[at, 0, c] - level
        level_squares += away * away
        # from part to part, so that a step of the level is loud in one part only
        by = parts[at, 0, c] - parts[(at - min(k, 1)) % parts.shape[0], 0, c]
        square = parts[at, 1, c] + 0.5 * by * by
        power += square
        power_squares += square * square
        away = parts[at, 2, c] - pace
        pace_squares += away * away
    power /= n
    power_squares = max(power_squares - n * power * power, 0.0)
    freedom = n * (n - 1.0)
    return (
        level,
        level_squares / freedom,
        power,
        power_squares / freedom,
        pace,
        pace_squares / freedom,
    )
