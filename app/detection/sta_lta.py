"""Short-term over long-term average: the seismologist's trigger."""

from __future__ import annotations

import numpy as np

from app.detection import trigger
from app.detection.detector import (
    COUNT,
    OWN,
    TAKEN,
    TRIGGER,
    CompiledDetector,
    Plan,
    limits,
)
from app.detection.memory import arrays
from app.detection.settings import number, readings
from app.domain import FloatArray, Json
from app.domain.compiled import compiled

LEAST_LONG = 30
"""Readings that the long mean has more than the short one, however slow the stream."""

# params
ON, OFF, STA, LTA, WARM = 0, 1, 2, 3, 4
# floats: the peak, then three rows of a value a channel
PEAK = 0
SCALARS = 1
CENTRE, SHORT, LONG = 0, 1, 2
ROWS = 3


def sta_lta(settings: Json, rate_hz: float, n_channels: int) -> CompiledDetector:
    """Find events where short-term energy outgrows long-term energy.

    Of every channel, two exponential means of the energy around its running mean;
    their ratio, averaged over channels, is the characteristic function.  Doubling all
    values changes no span.  Memory is constant.

    Parameters
    ----------
    settings : complete settings of kind ``sta_lta``
    rate_hz : float, readings per second
    n_channels : int

    Examples
    --------
    >>> from app.detection.settings import complete
    >>> rng = np.random.default_rng(1)
    >>> values = rng.normal(0, 0.1, (4000, 1)); values[3000:3100] *= 10
    >>> detector = sta_lta(complete({"kind": "sta_lta"}), 50.0, 1)
    >>> [(s.onset, s.offset) for s in detector.update(values) + detector.flush()]
    [(2977, 3169)]

    References
    ----------
    Withers et al. (1998), A comparison of select trigger algorithms for automated
    global seismic phase and event detection, Bull. Seismol. Soc. Am. 88(1), 95-106.
    """
    short = readings(number(settings, "sta_seconds"), rate_hz, 1)
    long = readings(number(settings, "lta_seconds"), rate_hz, short + LEAST_LONG)
    plan = Plan(
        magic=b"STLT",
        version=2,
        step=step,
        flush=flush,
        params=np.array(
            [
                number(settings, "on"),
                number(settings, "off"),
                1.0 / short,
                1.0 / long,
                long,
            ]
        ),
        limits=limits(
            readings(number(settings, "min_seconds"), rate_hz),
            readings(number(settings, "max_seconds"), rate_hz),
            readings(number(settings, "merge_seconds"), rate_hz),
            short,
        ),
        tick=1,
        look_back=short + 2,
    )
    floats = np.zeros(SCALARS + ROWS * n_channels)
    return CompiledDetector(
        plan, np.zeros(OWN, np.int64), floats, np.zeros(0, np.float32)
    )


@compiled
def step(values: FloatArray, memory: int) -> int:
    """Take readings until all are taken or `out` is full; count the spans found."""
    params, limits, ints, floats, _, out = arrays(memory)
    n_channels = values.shape[1]
    per_channel = floats[SCALARS:].reshape(ROWS, n_channels)
    slots = ints[TRIGGER:OWN]
    found = 0
    for i in range(ints[TAKEN], values.shape[0]):
        at = ints[COUNT]
        # While few readings are known, the long mean is the plain mean of them.
        slow = max(params[LTA], 1.0 / (at + 1))
        fast = max(params[STA], slow)
        ratio = 0.0
        for c in range(n_channels):
            x = values[i, c]
            if at == 0:
                per_channel[CENTRE, c] = x
            away = x - per_channel[CENTRE, c]
            per_channel[CENTRE, c] += away * slow
            power = away * away
            per_channel[SHORT, c] += (power - per_channel[SHORT, c]) * fast
            per_channel[LONG, c] += (power - per_channel[LONG, c]) * slow
            if per_channel[LONG, c] > 0.0:
                ratio += per_channel[SHORT, c] / per_channel[LONG, c]
        ratio = ratio / n_channels if at >= params[WARM] else 0.0
        ints[COUNT] = at + 1
        if trigger.step(
            ratio,
            params[ON],
            params[OFF],
            at,
            slots,
            floats[PEAK : PEAK + 1],
            limits,
            out[found],
        ):
            found += 1
            if found == out.shape[0]:
                ints[TAKEN] = i + 1
                return found
    return found


@compiled
def flush(memory: int) -> int:
    """Close what is open at the end of the stream."""
    _, limits, ints, floats, _, out = arrays(memory)
    ended = trigger.flush(
        ints[COUNT], ints[TRIGGER:OWN], floats[PEAK : PEAK + 1], limits, out[0]
    )
    return 1 if ended else 0
