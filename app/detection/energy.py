"""Energy over the noise floor of the device's own recent past."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.detection import trigger
from app.detection.compiled import compiled
from app.detection.detector import (
    COUNT,
    OWN,
    TAKEN,
    TRIGGER,
    CompiledDetector,
    Plan,
    limits,
)
from app.detection.settings import number, readings
from app.domain import Float32Array, FloatArray, Json

BLOCKS = 40
"""Of the baseline; a quarter of them still gives a median of ten."""
ENOUGH = 3
"""Blocks that must be known before anything is said."""
WIDTH = 32
"""Most values in the running mean: faster streams are thinned to that."""
BLOCK_READINGS = 4
"""Fewest readings in a block, however slow the stream."""

QUIET_SHARE = 0.25
"""Of the blocks, the quietest, make the baseline: an event may fill the rest."""
LOW, HIGH = 0.1, 0.9
"""Quantiles of the block's levels that stand for quiet and for event."""
RESOLUTION = 2.0**-20
"""Of a float32 value: below it, differences are rounding."""
MOST = 1e3
"""Noise floors that one channel may count at most, so that none blinds the others."""

# params
ON, OFF, ON_SHARE, OFF_SHARE = 0, 1, 2, 3
PARAMS = 4
# limits, behind the trigger's
TICK, BLOCK = trigger.LIMITS, trigger.LIMITS + 1
# ints
TICKS, IN_TICK, IN_BLOCK, BLOCKS_SEEN = OWN, OWN + 1, OWN + 2, OWN + 3
INTS = OWN + 4
# floats: scalars, the running mean, then four rows of a value a channel
PEAK, SUM, SCORE, LEVEL, THRESHOLD_ON, THRESHOLD_OFF, FLOOR = 0, 1, 2, 3, 4, 5, 6
SCALARS = 7
CENTRE, WEIGHT, FIRST, TOTAL, SQUARES = 0, 1, 2, 3, 4
ROWS = 5


def energy(settings: Json, rate_hz: float, n_channels: int) -> CompiledDetector:
    """Find events whose energy rises over the device's own quiet level.

    Each channel is centred and scaled by what it does in the quietest quarter of the
    last ``baseline_seconds`` (its noise floor: minimum statistics).  The absolute
    deviations, averaged over channels and over ``smooth_seconds``, are the
    characteristic function; 1 is about the noise itself.  An event begins at ``on``
    noise floors, but not below ``on_share`` of the way from the stream's own low
    levels to its high ones, and ends at ``off`` and ``off_share`` in the same way.
    Memory is constant, whatever the length of the stream.

    Parameters
    ----------
    settings : complete settings of kind ``energy``
    rate_hz : float, readings per second
    n_channels : int

    Examples
    --------
    >>> from app.detection.settings import complete
    >>> rng = np.random.default_rng(1)
    >>> values = rng.normal(0, 0.1, (3000, 2)); values[2000:2100] *= 20
    >>> detector = energy(complete(None), 50.0, 2)
    >>> [(s.onset, s.offset) for s in detector.update(values) + detector.flush()]
    [(1985, 2113)]

    References
    ----------
    Martin (2001), Noise power spectral density estimation based on optimal smoothing
    and minimum statistics, IEEE Trans. Speech Audio Process. 9(5), 504-512.
    Pan and Tompkins (1985), A real-time QRS detection algorithm, IEEE Trans. Biomed.
    Eng. 32(3), 230-236: thresholds between running levels of noise and of signal.
    """
    smooth = readings(number(settings, "smooth_seconds"), rate_hz, 1)
    tick = max(1, smooth // WIDTH)
    width = max(1, round(smooth / tick))
    ticks_hz = rate_hz / tick
    reach = width
    block = readings(
        number(settings, "baseline_seconds") / BLOCKS, rate_hz, BLOCK_READINGS
    )
    numbers = limits(
        readings(number(settings, "min_seconds"), ticks_hz),
        readings(number(settings, "max_seconds"), ticks_hz),
        readings(number(settings, "merge_seconds"), ticks_hz),
        reach,
    )
    plan = Plan(
        magic=b"ENGY",
        version=1,
        step=step,
        flush=flush,
        params=np.array(
            [number(settings, k) for k in ("on", "off", "on_share", "off_share")]
        ),
        limits=np.append(numbers, [tick, block]),
        tick=tick,
        look_back=(reach + width // 2 + 2) * tick,
    )
    floats = np.zeros(SCALARS + width + ROWS * n_channels)
    floats[THRESHOLD_ON] = floats[THRESHOLD_OFF] = math.inf
    # mean and variance of every channel, and the level, in each block
    ring = np.zeros(BLOCKS * (2 * n_channels + 1), np.float32)
    return CompiledDetector(plan, np.zeros(INTS, np.int64), floats, ring)


@compiled
def step(
    values: FloatArray,
    params: FloatArray,
    limits: NDArray[Any],
    ints: NDArray[Any],
    floats: FloatArray,
    ring: Float32Array,
    out: FloatArray,
) -> int:
    """Take readings until all are taken or `out` is full; count the spans found."""
    n_channels = values.shape[1]
    per_channel = floats[floats.size - ROWS * n_channels :].reshape(ROWS, n_channels)
    mean = floats[SCALARS : floats.size - ROWS * n_channels]
    half = mean.size // 2
    slots = ints[TRIGGER:OWN]
    found = 0
    for i in range(ints[TAKEN], values.shape[0]):
        floats[SCORE] += reading(values[i], ints[IN_BLOCK] == 0, per_channel)
        ints[COUNT] += 1
        ints[IN_BLOCK] += 1
        ints[IN_TICK] += 1
        if ints[IN_TICK] == limits[TICK]:
            smoothed(mean, ints, floats, limits[TICK])
            at = ints[TICKS] - 1 - half
            if at >= 0:
                y = floats[LEVEL]
                if trigger.step(
                    y,
                    floats[THRESHOLD_ON],
                    floats[THRESHOLD_OFF],
                    at,
                    slots,
                    floats[PEAK : PEAK + 1],
                    limits,
                    out[found],
                ):
                    found += 1
        if ints[IN_BLOCK] == limits[BLOCK]:
            baseline(params, ints, floats, per_channel, ring)
        if found == out.shape[0]:
            ints[TAKEN] = i + 1
            return found
    return found


@compiled
def reading(values: FloatArray, first: bool, per_channel: FloatArray) -> float:
    """Add one reading to its block; give its deviation in noise floors."""
    score = 0.0
    for c in range(values.size):
        x = values[c]
        deviation = abs(x - per_channel[CENTRE, c]) * per_channel[WEIGHT, c]
        score += min(deviation, MOST)
        if first:
            per_channel[FIRST, c] = x
        # relative to the block's first value, so that an offset costs no digits
        x -= per_channel[FIRST, c]
        per_channel[TOTAL, c] += x
        per_channel[SQUARES, c] += x * x
    return score / values.size


@compiled
def smoothed(
    mean: FloatArray, ints: NDArray[Any], floats: FloatArray, tick: int
) -> None:
    """Put the tick's mean score into the running mean."""
    at = ints[TICKS] % mean.size
    score = floats[SCORE] / tick
    floats[SUM] += score - mean[at]
    mean[at] = score
    ints[TICKS] += 1
    ints[IN_TICK] = 0
    floats[SCORE] = 0.0
    if at == mean.size - 1:
        # summed afresh once a turn, so that rounding never adds up
        floats[SUM] = mean.sum()
    floats[LEVEL] = max(floats[SUM], 0.0) / min(ints[TICKS], mean.size)


@compiled
def baseline(
    params: FloatArray,
    ints: NDArray[Any],
    floats: FloatArray,
    per_channel: FloatArray,
    ring: Float32Array,
) -> None:
    """Close a block; take centre, scale and thresholds from the blocks known."""
    n_channels = per_channel.shape[1]
    n_blocks = ring.size // (2 * n_channels + 1)
    means = ring[: n_blocks * n_channels].reshape(n_blocks, n_channels)
    variances = ring[n_blocks * n_channels : 2 * n_blocks * n_channels].reshape(
        n_blocks, n_channels
    )
    levels = ring[2 * n_blocks * n_channels :]
    at = ints[BLOCKS_SEEN] % n_blocks
    size = ints[IN_BLOCK]
    for c in range(n_channels):
        shift = per_channel[TOTAL, c] / size
        means[at, c] = per_channel[FIRST, c] + shift
        variances[at, c] = max(per_channel[SQUARES, c] / size - shift * shift, 0.0)
        per_channel[TOTAL, c] = 0.0
        per_channel[SQUARES, c] = 0.0
    levels[at] = floats[LEVEL]
    ints[IN_BLOCK] = 0
    ints[BLOCKS_SEEN] += 1
    known = min(ints[BLOCKS_SEEN], n_blocks)
    if known < ENOUGH:
        return
    quiet = quietest(variances[:known])
    for c in range(n_channels):
        centre, scale = floor_of(means[:known, c], variances[:known, c], quiet)
        per_channel[CENTRE, c] = centre
        per_channel[WEIGHT, c] = 1.0 / scale if scale > 0.0 else 0.0
    thresholds(params, levels[:known], floats)


@compiled
def quietest(variances: Float32Array) -> NDArray[Any]:
    """Give the blocks with the least variance, relative to each channel's usual."""
    known, n_channels = variances.shape
    activity = np.zeros(known)
    for c in range(n_channels):
        usual = np.median(variances[:, c])
        if usual > 0.0:
            for j in range(known):
                activity[j] += math.log(variances[j, c] / usual + 1e-3)
    order = np.argsort(activity, kind="mergesort")
    return order[: max(2, math.ceil(QUIET_SHARE * known))]


@compiled
def floor_of(
    means: Float32Array, variances: Float32Array, quiet: NDArray[Any]
) -> tuple[float, float]:
    """Give centre and scale of one channel over its quiet blocks."""
    values = np.empty(quiet.size)
    for k in range(quiet.size):
        values[k] = means[quiet[k]]
    centre = float(np.median(values))
    for k in range(quiet.size):
        away = means[quiet[k]] - centre
        values[k] = variances[quiet[k]] + away * away
    scale = math.sqrt(float(np.median(values)))
    return centre, max(scale, RESOLUTION * abs(centre))


@compiled
def thresholds(params: FloatArray, levels: Float32Array, floats: FloatArray) -> None:
    """Set on and off between the stream's own low and high levels."""
    ordered = np.sort(levels)
    last = ordered.size - 1
    low = ordered[int(LOW * last)]
    high = ordered[int(HIGH * last + 0.5)]
    least = max(low, 0.5)
    floats[FLOOR] = low
    floats[THRESHOLD_ON] = max(
        params[ON] * least, low + params[ON_SHARE] * (high - low)
    )
    floats[THRESHOLD_OFF] = max(
        params[OFF] * least, low + params[OFF_SHARE] * (high - low)
    )


@compiled
def flush(
    params: FloatArray,
    limits: NDArray[Any],
    ints: NDArray[Any],
    floats: FloatArray,
    ring: Float32Array,
    out: FloatArray,
) -> int:
    """Close what is open at the end of the stream."""
    end = -(-ints[COUNT] // limits[TICK])
    ended = trigger.flush(
        end, ints[TRIGGER:OWN], floats[PEAK : PEAK + 1], limits, out[0]
    )
    return 1 if ended else 0
