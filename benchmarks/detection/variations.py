"""Event F1 when recordings come otherwise than those that were tuned on.

    python -m benchmarks.detection.variations FOLDER [FOLDER ...] [--learned]

Every recording is changed in one way and run through the product's `Stream`: other
units, offsets and rates, channels that are missing, noise, readings that are lost.
With --learned, a detector is fitted on the unchanged recordings of half of the people
and both are asked about the other half.  What cannot come to a fitted detector (another
number of channels) is left out there.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from app.domain.overlap import match
from benchmarks.detection.learned import learnt
from benchmarks.detection.quality import detect, recordings

SEED = 1


def gain(t, values, factor):
    """Other units."""
    return t, values * np.float32(factor)


def gains(t, values, spread):
    """Every channel its own gain, by a factor of `spread` up or down."""
    rng = np.random.default_rng(SEED)
    own = spread ** rng.uniform(-1, 1, values.shape[1])
    return t, values * own.astype(np.float32)


def offset(t, values, deviations):
    """Every channel its own offset, in its deviations."""
    rng = np.random.default_rng(SEED)
    shift = deviations * rng.uniform(-1, 1, values.shape[1]) * values.std(axis=0)
    return t, values + shift.astype(np.float32)


def rate(t, values, hz):
    """Mean of what falls together where it is slower, between neighbours else."""
    own = 1 / float(np.median(np.diff(t)))
    n = int((t[-1] - t[0]) * hz)
    at = t[0] + np.arange(n) / hz
    if hz < own:
        sums = np.cumsum(np.vstack([np.zeros(values.shape[1]), values]), axis=0)
        edges = np.searchsorted(t, np.append(at, at[-1] + 1 / hz))
        counts = np.maximum(np.diff(edges), 1)[:, None]
        slow = (sums[edges[1:]] - sums[edges[:-1]]) / counts
        return at, slow.astype(np.float32)
    fast = [np.interp(at, t, channel) for channel in values.T]
    return at, np.column_stack(fast).astype(np.float32)


def noise(t, values, deviations):
    """More white noise, in the deviations of a channel's quietest tenth of seconds."""
    rng = np.random.default_rng(SEED)
    second = max(2, round(1 / float(np.median(np.diff(t)))))
    n = len(values) // second
    calm = values[: n * second].reshape(n, second, -1).std(axis=1)
    size = deviations * np.quantile(calm, 0.1, axis=0)
    return t, values + (rng.normal(0, 1, values.shape) * size).astype(np.float32)


def lost(t, values, share):
    """Values that are missing one by one."""
    rng = np.random.default_rng(SEED)
    values = values.copy()
    values[rng.random(values.shape) < share] = np.nan
    return t, values


def dropped(t, values, share):
    """Leave out whole readings, with their time."""
    kept = np.random.default_rng(SEED).random(len(t)) >= share
    return t[kept], values[kept]


def without(t, values, n):
    """Leave out the last `n` channels."""
    return t, values[:, : values.shape[1] - n] if values.shape[1] > n else values


def dead(t, values, n):
    """Let the first `n` channels never change."""
    values = values.copy()
    values[:, :n] = values[0, :n]
    return t, values


def silent(t, values, n):
    """Take all values from the first `n` channels."""
    values = values.copy()
    values[:, :n] = np.nan
    return t, values


def twice(t, values, _):
    """Every channel comes twice."""
    return t, np.hstack([values, values])


def coarse(t, values, steps):
    """Whole steps, so many to a channel's deviation."""
    step = np.maximum(values.std(axis=0) / steps, 1e-12)
    return t, (np.round(values / step) * step).astype(np.float32)


VARIATIONS = (
    ("as it is", gain, 1.0),
    ("x 0.001", gain, 1e-3),
    ("x 1000", gain, 1e3),
    ("gains by 10 up or down", gains, 10.0),
    ("offsets of 100 deviations", offset, 100.0),
    ("20 Hz", rate, 20.0),
    ("100 Hz", rate, 100.0),
    ("200 Hz", rate, 200.0),
    ("noise as in quiet", noise, 1.0),
    ("noise of 3 times that", noise, 3.0),
    ("5 % of values missing", lost, 0.05),
    ("5 % of readings dropped", dropped, 0.05),
    ("2 channels dead", dead, 2),
    ("2 channels without values", silent, 2),
    ("8 steps a deviation", coarse, 8.0),
    ("2 channels fewer", without, 2),
    ("half of the channels", without, -1),
    ("every channel twice", twice, 0),
)
CHANNELS_CHANGE = (without, twice)


def varied(change, amount, t, values):
    """Change a recording; -1 channels fewer means half of them."""
    if change is without and amount < 0:
        amount = values.shape[1] // 2
    return change(t, values, amount)


def f1(rows, change, amount, settings):
    """Event F1 and false alarms an hour over recordings that are changed."""
    hit = found_all = true_all = 0
    hours = 0.0
    for _, t, values, truth in rows:
        at, other = varied(change, amount, t, values)
        found = detect(at, other, settings)
        hit += len(match(truth, found))
        found_all += len(found)
        true_all += len(truth)
        hours += (t[-1] - t[0]) / 3600
    return 2 * hit / max(found_all + true_all, 1), (found_all - hit) / hours


def main(arguments=None):
    """Print a line a variation, a column a folder (F1, and false alarms an hour)."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--learned", action="store_true")
    chosen = parser.parse_args(arguments)
    columns = []
    for folder in chosen.folders:
        rows = [
            (name, t, np.where(np.isfinite(values), values, np.float32(0)), truth)
            for name, t, values, truth in recordings(folder)
        ]
        kinds = [("energy", {"kind": "energy"}, rows)]
        if chosen.learned:
            people = sorted({name.split("_")[0] for name, *_ in rows})[::2]
            taught = [row for row in rows if row[0].split("_")[0] in people]
            asked = [row for row in rows if row[0].split("_")[0] not in people]
            kinds = [("energy", {"kind": "energy"}, asked)]
            kinds.append(("scored", learnt(taught), asked))
        columns += [(f"{folder.name}, {kind}", *rest) for kind, *rest in kinds]
    print(f"{'':28}" + "".join(f"{name:>24}" for name, *_ in columns))
    for name, change, amount in VARIATIONS:
        print(f"{name:28}", end="")
        for _, settings, rows in columns:
            if settings["kind"] == "scored" and change in CHANNELS_CHANGE:
                print(f"{'-':>24}", end="")
                continue
            score, alarms = f1(rows, change, amount, settings)
            print(f"{score:15.3f} ({alarms:5.0f})", end="", flush=True)
        print(flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
