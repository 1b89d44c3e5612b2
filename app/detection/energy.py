"""Energy over the noise floor of the device's own recent past."""

from __future__ import annotations

import math

import numpy as np

from app.detection import baseline, restless, stuck, trigger
from app.detection.detector import (
    COUNT,
    OWN,
    TAKEN,
    TRIGGER,
    CompiledDetector,
    Plan,
    limits,
)
from app.detection.energy_block import (
    BLOCK,
    FAULTS,
    FLOOR,
    IN_TICK,
    INTS,
    LEVEL,
    LONG,
    MEMORY,
    PEAK,
    REMEMBERED,
    ROWS,
    SCALARS,
    TICK,
    TICKS,
    WANDER,
    close_block,
    out_of_memory,
)
from app.detection.energy_readings import STRETCH, add_up, look, stretch
from app.detection.memory import arrays, scratch
from app.detection.settings import number, readings
from app.domain import FloatArray, Json
from app.domain.compiled import compiled

WIDTH = 32
"""Most values in the running mean: faster streams are thinned to that."""
BLOCK_READINGS = 8
"""Fewest readings in a block, however slow the stream."""


def energy(settings: Json, rate_hz: float, n_channels: int) -> CompiledDetector:
    """Find events whose energy rises over the device's own quiet level.

    The last ``baseline_seconds`` are cut into blocks.  Each channel is centred and
    scaled by what it does in the quietest two fifths (its noise floor: minimum
    statistics).  The absolute deviations, averaged over channels and over
    ``smooth_seconds``, are the characteristic function.  An event begins when it is
    ``on`` standard deviations above what noise alone would give, but not below
    ``on_share`` of the way from the stream's own low levels to its high ones (between
    their square roots, since events differ by factors); it ends at ``off`` and
    ``off_share`` in the same way.  Half of the baseline at most is learnt from one
    event, so a long one stays an event; one that reaches the longest duration is
    learnt as the new normal.  A channel that repeats one value for longer than it ever
    did (`stuck`) is left out: of the average, and of what is learnt.  In a stream that
    turns out to have no quiet state (`restless`), an event must also be ``on`` standard
    deviations out of what the stream has been for minutes: in its level, or in the mean
    of one channel.  Memory is constant.

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
        number(settings, "baseline_seconds") / baseline.BLOCKS, rate_hz, BLOCK_READINGS
    )
    numbers = limits(
        readings(number(settings, "min_seconds"), ticks_hz),
        readings(number(settings, "max_seconds"), ticks_hz),
        readings(number(settings, "merge_seconds"), ticks_hz),
        reach,
    )
    floor = readings(stuck.FLOOR_SECONDS, rate_hz, stuck.FLOOR_READINGS)
    plan = Plan(
        magic=b"ENGY",
        version=5,
        step=step,
        flush=flush,
        params=np.array(
            [
                number(settings, "on"),
                number(settings, "off"),
                number(settings, "on_share"),
                number(settings, "off_share"),
            ]
        ),
        limits=np.append(numbers, [tick, block, floor]),
        tick=tick,
        look_back=(reach + width // 2 + 2) * tick,
        scratch=2 * STRETCH,
    )
    floats = np.zeros(SCALARS + width + ROWS * n_channels)
    per_channel = floats[SCALARS + width :].reshape(ROWS, n_channels)
    stuck.start(per_channel[FAULTS:REMEMBERED], floor)
    floats[baseline.THRESHOLD_ON] = floats[baseline.THRESHOLD_OFF] = math.inf
    ints = np.zeros(INTS, np.int64)
    ints[baseline.EVENT] = ints[baseline.CONTINUED] = trigger.NEVER
    ints[LONG + restless.END] = -(-block // restless.PARTS)
    return CompiledDetector(plan, ints, floats, baseline.ring(n_channels))


@compiled
def step(values: FloatArray, memory: int) -> int:
    """Take readings until all are taken or `out` is full; count the spans found."""
    params, limits, ints, floats, ring, out = arrays(memory)
    work = scratch(memory)
    n, n_channels = values.shape
    cut = floats.size - ROWS * n_channels
    per_channel = floats[cut:].reshape(ROWS, n_channels)
    faults = per_channel[FAULTS:REMEMBERED]
    mean = floats[SCALARS:cut]
    slots = ints[LONG:INTS]
    found = 0
    i = ints[TAKEN]
    while i < n:
        size = stretch(min(n - i, out.shape[0] - found), limits, ints)
        add_up(values, i, size, limits[FLOOR], ints, per_channel, work)
        i += size
        found = look(size, limits, ints, floats, faults, mean, work, out, found)
        if slots[restless.RESTLESS] == 1 and (
            ints[baseline.IN_BLOCK] == slots[restless.END]
        ):
            restless.close_part(
                params[baseline.ON],
                limits[BLOCK],
                per_channel[baseline.FIRST],
                per_channel[baseline.TOTAL],
                per_channel[baseline.SQUARES],
                slots,
                floats[MEMORY:WANDER],
                per_channel[REMEMBERED:],
                faults,
            )
            out_of_memory(floats)
        if ints[baseline.IN_BLOCK] >= limits[BLOCK] and ints[IN_TICK] == 0:
            living = int(work[STRETCH + size - 1])
            white = baseline.NOISE_SPREAD / math.sqrt(mean.size * limits[TICK])
            close_block(params, limits, living, white, ints, floats, per_channel, ring)
        if found == out.shape[0]:
            ints[TAKEN] = i
            return found
    return found


@compiled
def flush(memory: int) -> int:
    """Bring the trigger up to the newest tick, and close what is open there."""
    _, limits, ints, floats, ring, out = arrays(memory)
    n_channels = (ring.size // baseline.BLOCKS - baseline.RING_ROWS) // 2
    cut = floats.size - ROWS * n_channels
    half = (cut - SCALARS) // 2
    per_channel = floats[cut:].reshape(ROWS, n_channels)
    faults = per_channel[FAULTS:REMEMBERED]
    slots = ints[TRIGGER:OWN]
    peak = floats[PEAK : PEAK + 1]
    found = 0
    for at in range(max(ints[TICKS] - half, 0), ints[TICKS]):
        if trigger.step(
            max(floats[LEVEL], floats[MEMORY + restless.AWAY]),
            floats[baseline.THRESHOLD_ON],
            floats[baseline.THRESHOLD_OFF],
            at,
            slots,
            peak,
            limits,
            out[found],
        ):
            out[found, trigger.SPAN_STUCK] = stuck.any_broken(faults)
            found += 1
    end = -(-ints[COUNT] // limits[TICK])
    if trigger.flush(end, slots, peak, limits, out[found]):
        out[found, trigger.SPAN_STUCK] = stuck.any_broken(faults)
        found += 1
    return found
