"""All channels together: how far they are from the device's own quiet."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.detection import baseline, stuck, trigger
from app.detection.covariance import (
    BLOCK_SUM,
    FACTOR,
    FAULTS,
    FIRST,
    ROWS,
    TICK_SUM,
    TOTAL,
    TRIANGLES,
    channels_of,
    whiten,
)
from app.detection.detector import (
    COUNT,
    OWN,
    TAKEN,
    TRIGGER,
    CompiledDetector,
    Plan,
    limits,
)
from app.detection.mahalanobis_block import (
    AWAY,
    BLOCK,
    ENOUGH,
    FLOOR,
    HALF,
    IN_TICK,
    INTS,
    PEAK,
    QUIET_SEEN,
    RING,
    SCALARS,
    THRESHOLD_OFF,
    THRESHOLD_ON,
    TICK,
    TICKS,
    close_block,
    close_tick,
)
from app.detection.memory import arrays
from app.detection.settings import number, readings
from app.domain import FloatArray, Json
from app.domain.compiled import compiled
from app.errors import InvalidDetector

MOST_CHANNELS = 64
"""Whose state of 150 kB can still be stored with every commit."""
PARTS = 8
"""Of the recent covariance, summed apart: it moves by one of them at a time."""
SMOOTH_READINGS = 4
"""Fewest readings that the recent covariance is a mean of."""
BLOCK_READINGS = 8
"""Fewest readings in a block, however slow the stream."""
QUIET_BLOCKS = 16
"""Quiet blocks that mean and covariance are exponential over, if they suffice."""
A_CHANNEL = 4
"""Readings for every channel that mean and covariance must be known from."""
LEAST_SPREAD = 0.25
"""Of the usual distance, its spread has at least, whatever many channels promise."""


def mahalanobis(settings: Json, rate_hz: float, n_channels: int) -> CompiledDetector:
    """Find events in which the channels together are not as in quiet.

    The mean and covariance of quiet are exponential, over the quietest two fifths of
    the blocks of ``baseline_seconds``, and rest while an event is open.  Readings are
    whitened with them, and the covariance of the last ``smooth_seconds`` is taken of
    that.  Were nothing to happen, it would be the unit matrix: its distance from that
    is the characteristic function.  So a level, a loudness, and a correlation that
    comes or goes all count, and a channel's unit does not.  An event begins when the
    distance is ``on`` standard deviations above its usual, but not below ``on_share``
    of the way to its high ones; it ends at ``off`` and ``off_share`` in the same way.
    One that reaches the longest duration is learnt as the new normal.  A channel
    that is `stuck` is left out.  Memory is constant, and grows with the square of the
    number of channels.

    Parameters
    ----------
    settings : complete settings of kind ``mahalanobis``
    rate_hz : float, readings per second
    n_channels : int

    Raises
    ------
    InvalidDetector
        If there are more than 64 channels.

    Examples
    --------
    Two channels that follow each other part for two seconds, each as loud as before.

    >>> from app.detection.settings import complete
    >>> rng = np.random.default_rng(1)
    >>> values = rng.normal(0, 0.1, (3000, 2))
    >>> values[:, 1] = 0.9 * values[:, 0] + 0.44 * values[:, 1]
    >>> values[2000:2100, 1] *= -1
    >>> detector = mahalanobis(complete({"kind": "mahalanobis"}), 50.0, 2)
    >>> [(s.onset, s.offset) for s in detector.update(values) + detector.flush()]
    [(1986, 2106)]

    References
    ----------
    Hotelling (1947), Multivariate quality control, in Techniques of Statistical
    Analysis, 111-184: distance to an estimated mean and covariance.
    Hawkins and Maboudou-Tchao (2008), Multivariate exponentially weighted moving
    covariance matrix, Technometrics 50(2), 155-166: the moving covariance of whitened
    readings against the unit matrix.
    """
    if n_channels > MOST_CHANNELS:
        raise InvalidDetector(
            f"{n_channels} channels: 'mahalanobis' takes at most {MOST_CHANNELS}"
        )
    smooth = readings(number(settings, "smooth_seconds"), rate_hz, SMOOTH_READINGS)
    tick = max(1, smooth // PARTS)
    parts = max(1, round(smooth / tick))
    ticks_hz = rate_hz / tick
    block = readings(
        number(settings, "baseline_seconds") / baseline.BLOCKS, rate_hz, BLOCK_READINGS
    )
    numbers = limits(
        readings(number(settings, "min_seconds"), ticks_hz),
        readings(number(settings, "max_seconds"), ticks_hz),
        readings(number(settings, "merge_seconds"), ticks_hz),
        parts,
    )
    # were the readings normal and independent
    usual = math.sqrt(n_channels * (n_channels + 1) / (parts * tick))
    spread = max(LEAST_SPREAD, 1.0 / math.sqrt(n_channels * (n_channels + 1)))
    floor = readings(stuck.FLOOR_SECONDS, rate_hz, stuck.FLOOR_READINGS)
    enough = max(baseline.ENOUGH, math.ceil(A_CHANNEL * (n_channels + 1) / block))
    plan = Plan(
        magic=b"MAHA",
        version=3,
        step=step,
        flush=flush,
        params=np.array(
            [
                1.0 + number(settings, "on") * spread,
                1.0 + number(settings, "off") * spread,
                number(settings, "on_share"),
                number(settings, "off_share"),
                1.0 / max(QUIET_BLOCKS, enough),
                usual,
            ]
        ),
        limits=np.append(numbers, [tick, block, enough, parts // 2, floor]),
        tick=tick,
        look_back=(parts + parts // 2 + 2) * tick,
    )
    triangle = n_channels * (n_channels + 1) // 2
    floats = np.zeros(SCALARS + ROWS * n_channels + TRIANGLES * triangle)
    faults = floats[SCALARS + FAULTS * n_channels : SCALARS + ROWS * n_channels]
    stuck.start(faults.reshape(stuck.ROWS, n_channels), floor)
    floats[THRESHOLD_ON] = floats[THRESHOLD_OFF] = math.inf
    ints = np.zeros(INTS, np.int64)
    ints[baseline.EVENT] = ints[baseline.CONTINUED] = trigger.NEVER
    ring = np.zeros(RING + parts * triangle, np.float32)
    return CompiledDetector(plan, ints, floats, ring)


@compiled
def step(values: FloatArray, memory: int) -> int:
    """Take readings until all are taken or `out` is full; count the spans found."""
    params, limits, ints, floats, ring, out = arrays(memory)
    n_channels = values.shape[1]
    cut = SCALARS + ROWS * n_channels
    per_channel = floats[SCALARS:cut].reshape(ROWS, n_channels)
    triangles = floats[cut:].reshape(TRIANGLES, (floats.size - cut) // TRIANGLES)
    rows = ring[:RING].reshape(RING // baseline.BLOCKS, baseline.BLOCKS)
    size = triangles.shape[1]
    parts = ring[RING:].reshape((ring.size - RING) // size, size)
    found = 0
    for i in range(ints[TAKEN], values.shape[0]):
        stuck.see(values[i], per_channel[FAULTS:], limits[FLOOR])
        if ints[QUIET_SEEN] >= limits[ENOUGH]:
            whiten(values[i], per_channel, triangles[FACTOR], triangles[TICK_SUM])
        if ints[baseline.IN_BLOCK] == 0:
            per_channel[FIRST] = values[i]
        k = 0
        for c in range(n_channels):
            # relative to the block's first value, so that an offset costs no digits
            x = values[i, c] - per_channel[FIRST, c]
            per_channel[TOTAL, c] += x
            for other in range(c + 1):
                y = values[i, other] - per_channel[FIRST, other]
                triangles[BLOCK_SUM, k] += x * y
                k += 1
        ints[COUNT] += 1
        ints[baseline.IN_BLOCK] += 1
        ints[IN_TICK] += 1
        if ints[IN_TICK] < limits[TICK]:
            continue
        close_tick(limits, ints, floats, triangles[TICK_SUM], parts)
        at = ints[TICKS] - 1 - limits[HALF]
        if at >= 0 and at_tick(at, limits, ints, floats, out[found]):
            out[found, trigger.SPAN_STUCK] = stuck.any_broken(per_channel[FAULTS:])
            found += 1
        if ints[baseline.IN_BLOCK] >= limits[BLOCK]:
            close_block(params, limits, ints, floats, per_channel, triangles, rows)
        if found == out.shape[0]:
            ints[TAKEN] = i + 1
            return found
    return found


@compiled
def at_tick(
    at: int,
    limits: NDArray[Any],
    ints: NDArray[Any],
    floats: FloatArray,
    out: FloatArray,
) -> bool:
    """Give the trigger a tick; True when a span was written."""
    found = trigger.step(
        floats[AWAY],
        floats[THRESHOLD_ON],
        floats[THRESHOLD_OFF],
        at,
        ints[TRIGGER:OWN],
        floats[PEAK : PEAK + 1],
        limits,
        out,
    )
    if found and out[trigger.SPAN_TRUNCATED] > 0.0:
        ints[baseline.CONTINUED] = ints[TRIGGER + trigger.LAST_END]
    return bool(found)


@compiled
def flush(memory: int) -> int:
    """Bring the trigger up to the newest tick, and close what is open there."""
    _, limits, ints, floats, _, out = arrays(memory)
    found = 0
    n_channels = channels_of(floats.size - SCALARS)
    cut = SCALARS + ROWS * n_channels
    faults = floats[cut - stuck.ROWS * n_channels : cut]
    broken = stuck.any_broken(faults.reshape(stuck.ROWS, n_channels))
    for at in range(max(ints[TICKS] - limits[HALF], 0), ints[TICKS]):
        if at_tick(at, limits, ints, floats, out[found]):
            out[found, trigger.SPAN_STUCK] = broken
            found += 1
    end = -(-ints[COUNT] // limits[TICK])
    peak = floats[PEAK : PEAK + 1]
    if trigger.flush(end, ints[TRIGGER:OWN], peak, limits, out[found]):
        out[found, trigger.SPAN_STUCK] = broken
        found += 1
    return found
