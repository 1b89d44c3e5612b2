"""What the energy detector keeps, and what it makes of a block of readings."""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import NDArray

from app.detection import baseline, looks, restless, stuck, trigger
from app.detection.detector import TRIGGER
from app.domain import Float32Array, FloatArray
from app.domain.compiled import compiled

# limits, behind the trigger's
TICK, BLOCK, FLOOR = range(trigger.LIMITS, trigger.LIMITS + 3)
# ints, behind the baseline's
TICKS, IN_TICK = baseline.INTS, baseline.INTS + 1
# then those of `restless`
LONG = baseline.INTS + 2
INTS = LONG + restless.INTS
# floats, behind the baseline's
PEAK, SUM, SCORE, LEVEL = range(baseline.SCALARS, baseline.SCALARS + 4)
# then what the baseline wants as params, for the channels that live
PARAMS = baseline.SCALARS + 4
# then those of `restless`
MEMORY = PARAMS + 4
# then how much more than white noise the means of blocks move (`looks`)
WANDER = MEMORY + restless.SCALARS
SCALARS = WANDER + 1
# floats: rows of a value a channel, behind the mean: the baseline's, then `stuck`'s,
# then those of `restless`
FAULTS = baseline.ROWS
REMEMBERED = FAULTS + stuck.ROWS
ROWS = REMEMBERED + restless.ROWS


@compiled
def close_block(
    params: FloatArray,
    limits: NDArray[Any],
    living: int,
    white: float,
    ints: NDArray[Any],
    floats: FloatArray,
    per_channel: FloatArray,
    ring: Float32Array,
) -> None:
    """Take a finished block into baseline and memory, and the thresholds from those.

    `white` is the relative spread of the level of one channel in white noise.
    """
    slots = ints[LONG:INTS]
    own = floats[MEMORY:WANDER]
    rows = ring.reshape(ring.size // baseline.BLOCKS, baseline.BLOCKS)
    size = ints[baseline.IN_BLOCK]
    level = max(floats[baseline.LEVELS] / size, restless.SILENCE)
    # as in the baseline: half of it at most is learnt from one event
    swallowed = ints[baseline.IN_EVENT] > baseline.LEARNT
    learnt = not (swallowed and baseline.in_event(ints))
    if learnt:
        hurry = ints[TRIGGER + trigger.PHASE] == trigger.OPEN and (
            not baseline.in_event(ints)
        )
        restless.learn(
            size,
            hurry,
            per_channel[baseline.FIRST],
            per_channel[baseline.TOTAL],
            slots,
            per_channel[REMEMBERED:],
            per_channel[FAULTS:REMEMBERED],
        )
    leave_out(size, per_channel)
    wander(size, ints, floats, per_channel, rows)
    for_living(params, living, size, ints, floats)
    baseline.close_block(floats[PARAMS:MEMORY], ints, floats, per_channel, ring)
    restless.begin_block(limits[BLOCK], slots, per_channel[REMEMBERED:])
    known = min(ints[baseline.BLOCKS_SEEN], baseline.BLOCKS)
    if known >= baseline.ENOUGH:
        low = baseline.low_level(known, rows)
        # before a scale is known there is no level
        if learnt and level > restless.SILENCE:
            above = math.log(level / low)
            own[restless.CROSSED_LEVEL] = restless.crossed(
                above - own[restless.USUAL_LEVEL],
                own[restless.CROSSED_LEVEL],
                slots[restless.BLOCKS],
            )
            own[restless.USUAL_LEVEL], own[restless.SPREAD_LEVEL] = restless.follow(
                above,
                restless.pace(
                    own[restless.CROSSED_LEVEL], slots[restless.BLOCKS], hurry
                ),
                own[restless.USUAL_LEVEL],
                own[restless.SPREAD_LEVEL],
                True,
            )
        if ints[baseline.RECENT_SEEN] >= baseline.BLOCKS:
            spread = white / math.sqrt(max(living, 1))
            restless.judge(rows[baseline.HIGHS], spread, slots)
        if slots[restless.RESTLESS] == 1:
            on, off = restless.thresholds(
                low,
                params[baseline.ON],
                floats[baseline.THRESHOLD_ON],
                floats[baseline.THRESHOLD_OFF],
                own,
            )
            floats[baseline.THRESHOLD_ON] = on
            floats[baseline.THRESHOLD_OFF] = off
        else:
            own[restless.OUT] = 0.0
    slots[restless.BLOCKS] += 1
    out_of_memory(floats)


@compiled
def out_of_memory(floats: FloatArray) -> None:
    """Say, as a level, how far a channel is out of the stream's memory."""
    out = floats[MEMORY + restless.OUT]
    # before anything is said the thresholds are infinite
    if out > 0.0:
        on = floats[baseline.THRESHOLD_ON]
        off = floats[baseline.THRESHOLD_OFF]
        floats[MEMORY + restless.AWAY] = restless.as_level(out, on, off)
    else:
        floats[MEMORY + restless.AWAY] = 0.0


@compiled
def wander(
    size: int,
    ints: NDArray[Any],
    floats: FloatArray,
    per_channel: FloatArray,
    rows: Float32Array,
) -> None:
    """Follow how the means of channels move from one block to the next."""
    seen = ints[baseline.BLOCKS_SEEN]
    if seen == 0:
        return
    at = (seen - 1) % baseline.BLOCKS
    total = 0.0
    for c in range(per_channel.shape[1]):
        shift = per_channel[baseline.TOTAL, c] / size
        mean = per_channel[baseline.FIRST, c] + shift
        variance = max(per_channel[baseline.SQUARES, c] / size - shift * shift, 0.0)
        total += looks.wander(
            mean - rows[baseline.RING_ROWS + 2 * c, at],
            variance + rows[baseline.RING_ROWS + 2 * c + 1, at],
            size,
        )
    newest = 1.0 / min(seen, baseline.BLOCKS)
    floats[WANDER] += (total / per_channel.shape[1] - floats[WANDER]) * newest


@compiled
def for_living(
    params: FloatArray, living: int, size: int, ints: NDArray[Any], floats: FloatArray
) -> None:
    """Write the params of the baseline for the channels that are not left out."""
    # of the mean over channels, were their noise independent
    spread = baseline.NOISE_SPREAD / math.sqrt(max(living, 1))
    known = min(ints[baseline.BLOCKS_SEEN] + 1, baseline.BLOCKS)
    seen = known * size / max(floats[WANDER], 1.0)
    for k in range(4):
        floats[PARAMS + k] = params[k]
    floats[PARAMS + baseline.ON] *= spread * looks.caution(seen)
    floats[PARAMS + baseline.ON] += 1.0
    floats[PARAMS + baseline.OFF] *= spread
    floats[PARAMS + baseline.OFF] += 1.0


@compiled
def leave_out(size: int, per_channel: FloatArray) -> None:
    """Make a block of a broken channel say what is known of it already."""
    faults = per_channel[FAULTS:REMEMBERED]
    for c in range(per_channel.shape[1]):
        weight = per_channel[baseline.WEIGHT, c]
        if weight > 0.0 and stuck.is_broken(c, faults):
            per_channel[baseline.FIRST, c] = per_channel[baseline.CENTRE, c]
            per_channel[baseline.TOTAL, c] = 0.0
            per_channel[baseline.SQUARES, c] = size / weight / weight
