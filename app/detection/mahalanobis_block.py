"""What the detector `mahalanobis` keeps, and what it makes of ticks and blocks."""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import NDArray

from app.detection import baseline, trigger
from app.detection.covariance import (
    BLOCK_SUM,
    COVARIANCE,
    FACTOR,
    MEAN,
    TOTAL,
    describe,
    factorise,
    from_unity,
    learn,
)
from app.domain import Float32Array, FloatArray
from app.domain.compiled import compiled

OUTLIER = 3.0
"""Times the usual distance, one counts at most for what is usual."""

# params
ON, OFF, ON_SHARE, OFF_SHARE, WEIGHT, LEAST = range(6)
# limits, behind the trigger's
TICK, BLOCK, ENOUGH, HALF, FLOOR = range(trigger.LIMITS, trigger.LIMITS + 5)
# ints, behind the baseline's
IN_TICK, TICKS, WHITENED, QUIET_SEEN, USUAL_SEEN = range(
    baseline.INTS, baseline.INTS + 5
)
INTS = baseline.INTS + 5
# floats: first the scalars
PEAK, AWAY, LEVELS, BOUNDED, USUAL, THRESHOLD_ON, THRESHOLD_OFF = range(7)
SCALARS = 7
# ring: rows of a value a block, then a triangle for each part
ACTIVITY, QUIET, RECENT, HIGHS = range(4)
RING = 4 * baseline.BLOCKS


@compiled
def close_tick(
    limits: NDArray[Any],
    ints: NDArray[Any],
    floats: FloatArray,
    total: FloatArray,
    parts: Float32Array,
) -> None:
    """Take the tick into the recent covariance, and the way of that from unity."""
    at = ints[TICKS] % parts.shape[0]
    for k in range(total.size):
        parts[at, k] = total[k] / limits[TICK]
        total[k] = 0.0
    ints[TICKS] += 1
    ints[IN_TICK] = 0
    if ints[QUIET_SEEN] >= limits[ENOUGH]:
        ints[WHITENED] += 1
    floats[AWAY] = from_unity(parts) if ints[WHITENED] >= parts.shape[0] else 0.0
    floats[LEVELS] += floats[AWAY]
    bounded = floats[AWAY]
    if floats[USUAL] > 0.0:
        bounded = min(bounded, OUTLIER * floats[USUAL])
    floats[BOUNDED] += bounded


@compiled
def close_block(
    params: FloatArray,
    limits: NDArray[Any],
    ints: NDArray[Any],
    floats: FloatArray,
    per_channel: FloatArray,
    triangles: FloatArray,
    rows: Float32Array,
) -> None:
    """Learn from a finished block if it is quiet; take the thresholds from that."""
    n_ticks = ints[baseline.IN_BLOCK] // limits[TICK]
    level = floats[LEVELS] / n_ticks
    scored = ints[WHITENED] >= n_ticks + 2 * limits[HALF]
    if scored:
        baseline.turn(rows[RECENT], rows[HIGHS], ints[baseline.RECENT_SEEN], level)
        ints[baseline.RECENT_SEEN] += 1
    if baseline.is_learnt(ints):
        apart = baseline.in_event(ints)
        activity = describe(ints[baseline.IN_BLOCK], apart, per_channel, triangles)
        seen = ints[baseline.BLOCKS_SEEN]
        baseline.turn(rows[ACTIVITY], rows[QUIET], seen, activity)
        ints[baseline.BLOCKS_SEEN] += 1
        known = min(ints[baseline.BLOCKS_SEEN], rows.shape[1])
        bound = rows[QUIET, math.ceil(baseline.QUIET_SHARE * known) - 1]
        if rows[ACTIVITY, seen % rows.shape[1]] <= bound and not apart:
            weight = max(params[WEIGHT], 1.0 / (ints[QUIET_SEEN] + 1))
            learn(weight, per_channel, triangles)
            ints[QUIET_SEEN] += 1
            if ints[QUIET_SEEN] >= limits[ENOUGH]:
                factorise(per_channel[MEAN], triangles[COVARIANCE], triangles[FACTOR])
        if scored and not apart:
            usual = floats[BOUNDED] / n_ticks
            weight = max(params[WEIGHT], 1.0 / (ints[USUAL_SEEN] + 1))
            floats[USUAL] += (usual - floats[USUAL]) * weight
            ints[USUAL_SEEN] += 1
    if ints[USUAL_SEEN] >= baseline.ENOUGH:
        recent = min(ints[baseline.RECENT_SEEN], rows.shape[1])
        low = max(floats[USUAL], params[LEAST])
        high = max(rows[HIGHS, int(baseline.HIGH * (recent - 1) + 0.5)], low)
        floats[THRESHOLD_ON] = baseline.between(low, high, params[ON], params[ON_SHARE])
        floats[THRESHOLD_OFF] = baseline.between(
            low, high, params[OFF], params[OFF_SHARE]
        )
    ints[baseline.IN_BLOCK] = 0
    floats[LEVELS] = 0.0
    floats[BOUNDED] = 0.0
    per_channel[TOTAL] = 0.0
    triangles[BLOCK_SUM] = 0.0
