"""A detector that people taught: log-odds of every tick, joined to spans."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.detection import baseline, ticks, trigger
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
from app.detection.scores import LEAF, NODE_FIELDS, Scorer
from app.detection.settings import number, readings
from app.domain import FloatArray, Json
from app.domain.compiled import compiled
from app.errors import InvalidDetector

REACH_SECONDS = 2.0
"""An onset may lie so far behind the tick that decides on it."""
SURE = 4.0
"""Most that one tick may say, in log-odds: no single one decides."""
ROUND = 1e-9

# limits, behind the trigger's; then the roots of the trees
TICK, BLOCK, WARM, TREES = range(trigger.LIMITS, trigger.LIMITS + 4)
LIMITS = trigger.LIMITS + 4
# params: first those that `baseline` wants, then these, then the model
CHANGE, LEAN = 4, 5
PARAMS = 6
# ints: those of every detector, then those of `ticks`
BASE = OWN
# floats, behind the baseline's
PEAK, EVIDENCE = range(baseline.SCALARS, baseline.SCALARS + 2)
SCALARS = baseline.SCALARS + 2


def scored(settings: Json, rate_hz: float, n_channels: int) -> CompiledDetector:
    """Find events by what a fitted model says of every tenth of a second.

    The model gives the log-odds that a tick lies within an event, from features of a
    second before to a second after it.  They are summed: outside events from 0 up,
    inside from ``change`` down, never beyond either.  Where the sum reaches
    ``change`` an event is open, since the sum last was 0; where it reaches 0 the
    event has ended, where it last was ``change``.  For ticks whose log-odds are
    right that is the most probable sequence of two states, if an event costs
    ``change``.  ``lean`` is subtracted from all of them: more of it, fewer events.
    Memory is constant.

    Parameters
    ----------
    settings : complete settings of kind ``scored``
        ``model`` is the text of a `Scorer`.
    rate_hz : float, readings per second
    n_channels : int

    Raises
    ------
    InvalidDetector
        If the model is for another number of channels.

    References
    ----------
    Viterbi (1967), Error bounds for convolutional codes, IEEE Trans. Inf. Theory
    13(2), 260-269; for two states, as here: Page (1954), Continuous inspection
    schemes, Biometrika 41, 100-115.
    """
    model = Scorer.from_text(str(settings["model"]))
    if model.n_channels != n_channels:
        raise InvalidDetector(
            f"the model is for {model.n_channels} channels, the profile has "
            f"{n_channels}"
        )
    tick = ticks.tick_readings(rate_hz)
    ticks_hz = rate_hz / tick
    block = ticks.block_readings(rate_hz)
    reach = readings(REACH_SECONDS, ticks_hz, 1)
    spans = limits(
        readings(number(settings, "min_seconds"), ticks_hz),
        readings(number(settings, "max_seconds"), ticks_hz),
        0,
        reach,
    )
    warm = ticks.BEHIND
    plan = Plan(
        magic=b"SCRD",
        version=3,
        step=step,
        flush=flush,
        params=np.concatenate(
            [
                ticks.NO_THRESHOLDS,
                [number(settings, "change"), number(settings, "lean")],
                model.flat(),
            ]
        ),
        limits=np.concatenate(
            [spans, [tick, block, warm, len(model.roots)], model.roots]
        ).astype(np.int64),
        tick=tick,
        look_back=(int(spans[trigger.REACH]) + ticks.AHEAD + 2) * tick,
    )
    ints = np.zeros(BASE + ticks.INTS, np.int64)
    ticks.start(ints[BASE:])
    floats = np.zeros(SCALARS + ticks.ROWS * n_channels)
    return CompiledDetector(plan, ints, floats, ticks.ring(n_channels))


@compiled
def step(values: FloatArray, memory: int) -> int:
    """Take readings until all are taken or `out` is full; count the spans found."""
    params, limits, ints, floats, ring, out = arrays(memory)
    n_channels = values.shape[1]
    per_channel = floats[SCALARS:].reshape(ticks.ROWS, n_channels)
    base, rows = ticks.split(ring, n_channels)
    features = np.empty(ticks.WINDOWS * rows.shape[1])
    own = ints[BASE:]
    found = 0
    for i in range(ints[TAKEN], values.shape[0]):
        ints[COUNT] += 1
        if not ticks.take(
            values[i],
            limits[TICK],
            limits[BLOCK],
            own,
            floats,
            per_channel,
            params,
            base,
            rows,
        ):
            continue
        newest = own[ticks.TICKS] - 1
        at = newest - ticks.AHEAD
        if at < 0:
            continue
        odds = -SURE
        if at >= limits[WARM]:
            ticks.look(rows, at, newest, features)
            odds = log_odds(features, params, limits)
        if walk(odds, at, params, limits, ints[TRIGGER:OWN], floats, out[found]):
            found += 1
            if found == out.shape[0]:
                ints[TAKEN] = i + 1
                return found
    return found


@compiled
def log_odds(features: FloatArray, params: FloatArray, limits: NDArray[Any]) -> float:
    """Ask the model about one tick."""
    total = params[PARAMS]
    for k in range(features.size):
        total += params[PARAMS + 1 + k] * features[k]
    nodes = params[PARAMS + 1 + features.size :]
    for tree in range(limits[TREES]):
        node = int(limits[LIMITS + tree]) * NODE_FIELDS
        while nodes[node] != LEAF:
            left = int(nodes[node + 2])
            if features[int(nodes[node])] > nodes[node + 1]:
                left += 1
            node = left * NODE_FIELDS
        total += nodes[node + 1]
    return float(total - params[LEAN])


@compiled
def walk(
    odds: float,
    tick: int,
    params: FloatArray,
    limits: NDArray[Any],
    slots: NDArray[Any],
    floats: FloatArray,
    span: FloatArray,
) -> bool:
    """Take the log-odds of one tick; True when `span` was filled in."""
    change = params[CHANGE]
    total = floats[EVIDENCE] + min(max(odds, -SURE), SURE)
    total = min(max(total, 0.0), change)
    floats[EVIDENCE] = total
    share = 1.0 / (1.0 + math.exp(-min(max(odds, -30.0), 30.0)))
    found = False
    if slots[trigger.PHASE] == trigger.IDLE:
        if total <= 0.0 or slots[trigger.RISE] < 0:
            slots[trigger.RISE] = tick + 1 if total <= 0.0 else tick
        if total >= change - ROUND:
            slots[trigger.PHASE] = trigger.OPEN
            slots[trigger.ONSET] = max(
                slots[trigger.RISE],
                tick - limits[trigger.REACH],
                slots[trigger.LAST_END],
            )
            slots[trigger.END] = tick + 1
            floats[PEAK] = share
    else:
        floats[PEAK] = max(floats[PEAK], share)
        if total >= change - ROUND:
            slots[trigger.END] = tick + 1
        elif total <= 0.0:
            found = trigger.finish(slots, floats[PEAK : PEAK + 1], limits, span)
            slots[trigger.RISE] = tick + 1
    if (
        slots[trigger.PHASE] == trigger.OPEN
        and tick + 1 - slots[trigger.ONSET] >= limits[trigger.LONGEST]
    ):
        slots[trigger.END] = slots[trigger.ONSET] + limits[trigger.LONGEST]
        trigger.write(slots, floats[PEAK : PEAK + 1], True, span)
        found = True
    trigger.near(total / change, tick, slots)
    return found


@compiled
def flush(memory: int) -> int:
    """Bring the sum up to the newest tick, and close what is open there."""
    params, limits, ints, floats, ring, out = arrays(memory)
    n_channels = (floats.size - SCALARS) // ticks.ROWS
    _, rows = ticks.split(ring, n_channels)
    features = np.empty(ticks.WINDOWS * rows.shape[1])
    n_ticks = ints[BASE + ticks.TICKS]
    slots = ints[TRIGGER:OWN]
    found = 0
    for at in range(max(n_ticks - ticks.AHEAD, 0), n_ticks):
        odds = -SURE
        if at >= limits[WARM]:
            ticks.look(rows, at, n_ticks - 1, features)
            odds = log_odds(features, params, limits)
        if walk(odds, at, params, limits, slots, floats, out[found]):
            found += 1
    if slots[trigger.PHASE] == trigger.OPEN:
        if slots[trigger.END] == n_ticks:
            # to the last reading, though it completed no tick
            slots[trigger.END] = min(
                -(-ints[COUNT] // limits[TICK]),
                slots[trigger.ONSET] + limits[trigger.LONGEST],
            )
        if trigger.finish(slots, floats[PEAK : PEAK + 1], limits, out[found]):
            found += 1
    return found


@compiled
def join(
    odds: FloatArray, params: FloatArray, limits: NDArray[Any], out: NDArray[Any]
) -> int:
    """Join the log-odds of a whole stream to spans in ticks; count them."""
    slots = np.zeros(trigger.SLOTS, np.int64)
    trigger.start(slots)
    floats = np.zeros(SCALARS)
    span = np.zeros(trigger.SPAN_FIELDS)
    found = 0
    for at in range(odds.size):
        if walk(odds[at] - params[LEAN], at, params, limits, slots, floats, span):
            out[found, 0] = int(span[trigger.SPAN_ONSET])
            out[found, 1] = int(span[trigger.SPAN_OFFSET])
            found += 1
    if slots[trigger.PHASE] == trigger.OPEN and trigger.finish(
        slots, floats[PEAK : PEAK + 1], limits, span
    ):
        out[found, 0] = int(span[trigger.SPAN_ONSET])
        out[found, 1] = int(span[trigger.SPAN_OFFSET])
        found += 1
    return found


def joined(
    odds: FloatArray, rate_hz: float, change: float, lean: float, min_seconds: float
) -> NDArray[np.int64]:
    """Say which spans the detector would make of the log-odds of every tick.

    Returns
    -------
    (n, 2) in ticks
    """
    ticks_hz = rate_hz / ticks.tick_readings(rate_hz)
    spans = limits(
        readings(min_seconds, ticks_hz),
        len(odds) + 2,
        0,
        readings(REACH_SECONDS, ticks_hz, 1),
    )
    out = np.zeros((len(odds) + 1, 2), np.int64)
    params = np.append(ticks.NO_THRESHOLDS, [change, lean])
    return out[: join(np.ascontiguousarray(odds, np.float64), params, spans, out)]
