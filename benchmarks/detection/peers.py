"""Detectors that users could pick instead, beside the default one, in the same run.

    python -m benchmarks.detection.peers FOLDER [FOLDER ...]

obspy's STA/LTA, river's ADWIN and PageHinkley, ruptures' KernelCPD (offline: it sees
the whole recording).  They are no part of the project:

    pip install obspy river ruptures

One that is not there is left out, and said so.  The product runs with its defaults;
each peer with the settings of its grid that are best for the folder, truth in hand, so
in its favour.  All get one signal, the distance of the channels from their median (of
the last minute, for obspy), in its standard deviations; what is shorter than a second
is no event, and what is closer than half a second is one, as in the product.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
import warnings
from importlib import import_module
from pathlib import Path

import numpy as np

from app.domain.overlap import match
from benchmarks.detection.quality import detect, line, recordings

SHORTEST, MERGE = 1.0, 0.5
MEDIAN_SECONDS = 60.0
SHARES = (0.5, 0.7, 0.85)
"""Quantiles above which a segment is an event."""
COARSE_HZ = 5.0
"""What ruptures is given: its time grows with the square of the readings."""


def remembered(make):
    """Keep what a signal is of a recording: peers are timed without it."""
    kept = {}

    def look(t, values):
        if id(values) not in kept:
            kept[id(values)] = make(t, values)
        return kept[id(values)]

    return look


def rate_of(t):
    """Give readings a second."""
    return 1 / float(np.median(np.diff(t)))


@remembered
def signal(t, values):
    """Distance of all channels from their median, in standard deviations (n,)."""
    away = values - np.median(values, axis=0)
    return np.sqrt((away**2 / (values.var(axis=0) + 1e-12)).mean(axis=1))


@remembered
def causal(t, values):
    """Give the same from the median of the minute before, renewed every second (n,)."""
    rate = rate_of(t)
    step, reach = max(1, round(rate)), round(MEDIAN_SECONDS * rate)
    out = np.zeros(len(values))
    for at in range(0, len(values), step):
        past = values[max(0, at - reach) : max(at, step)]
        away = values[at : at + step] - np.median(past, axis=0)
        scale = past.var(axis=0) + 1e-12
        out[at : at + step] = np.sqrt((away**2 / scale).mean(axis=1))
    return out


def tidy(spans, seconds=(SHORTEST, MERGE)):
    """Merge what is close, drop what is short; (n, 2) in seconds."""
    merged = []
    for start, end in spans:
        if merged and start - merged[-1][1] <= seconds[1]:
            merged[-1][1] = end
        else:
            merged.append([start, end])
    return np.array([s for s in merged if s[1] - s[0] >= seconds[0]]).reshape(-1, 2)


def sta_lta(name):
    """Make a peer of one of obspy's characteristic functions."""
    trigger = import_module("obspy.signal.trigger")
    function = getattr(trigger, name)

    def run(t, values, sta, lta, on, off):
        rate = rate_of(t)
        energy = causal(t, values)
        ratio = function(
            energy, max(1, round(sta * rate)), min(round(lta * rate), len(t) // 2)
        )
        found = trigger.trigger_onset(ratio, on, off)
        last = len(t) - 1
        return [(t[a], t[min(b + 1, last)]) for a, b in found]

    grid = {
        "sta": (0.5, 1.0),
        "lta": (10.0, 60.0, 300.0),
        "on": (1.1, 1.4, 2.0, 3.0),
        "off": (0.5, 0.75, 1.0, 1.3),
    }
    return run, grid


def segments(t, energy, borders, share):
    """Call an event what lies between borders and above a quantile of the whole."""
    edges = [0, *sorted({int(b) for b in borders if 0 < b < len(t)}), len(t)]
    level = np.quantile(energy, share)
    return [
        (t[a], t[min(b, len(t) - 1)])
        for a, b in itertools.pairwise(edges)
        if energy[a:b].mean() > level
    ]


def river(name, grid):
    """Make a peer of one of river's drift detectors, fed with the signal."""
    drift = import_module("river.drift")

    def run(t, values, share, **settings):
        energy = signal(t, values)
        one = getattr(drift, name)(**settings)
        borders = []
        for i, x in enumerate(energy.tolist()):
            one.update(x)
            if one.drift_detected:
                borders.append(i)
        return segments(t, energy, borders, share)

    return run, {**grid, "share": SHARES}


def ruptures():
    """Make a peer of ruptures' kernel change points, at five readings a second."""
    package = import_module("ruptures")

    def run(t, values, penalty, share):
        n = max(1, round(rate_of(t) / COARSE_HZ))
        rows = len(t) // n
        coarse = signal(t, values)[: rows * n].reshape(rows, n).mean(axis=1)
        cpd = package.KernelCPD(kernel="linear", min_size=2).fit(coarse[:, None])
        borders = cpd.predict(pen=penalty * coarse.var())
        return segments(t[: rows * n : n], coarse, borders, share)

    return run, {"penalty": (0.3, 1.0, 3.0, 10.0), "share": SHARES}


PEERS = {
    "obspy classic STA/LTA": lambda: sta_lta("classic_sta_lta"),
    "obspy recursive STA/LTA": lambda: sta_lta("recursive_sta_lta"),
    "river PageHinkley": lambda: river(
        "PageHinkley",
        {"threshold": (2.0, 5.0, 20.0), "delta": (0.005, 0.1), "min_instances": (25,)},
    ),
    "river ADWIN": lambda: river("ADWIN", {"delta": (0.002, 0.05, 0.3)}),
    "ruptures KernelCPD (offline)": ruptures,
}


def score(rows, run):
    """Hits, false alarms, missed; hours; errors; microseconds a reading."""
    total, hours, errors, spent, n = np.zeros(3), 0.0, [], 0.0, 0
    for _, t, values, truth in rows:
        begin = time.process_time()
        found = tidy(run(t, values))
        spent += time.process_time() - begin
        n += len(t)
        pairs = match(truth, found, 0.5)
        total += [len(pairs), len(found) - len(pairs), len(truth) - len(pairs)]
        hours += (t[-1] - t[0]) / 3600
        errors += [np.abs(found[j] - truth[i]) for i, j in pairs]
    return total, hours, errors, spent / n * 1e6


def f1(counts):
    """Event F1 of counts."""
    hit, false, missed = counts
    return 2 * hit / max(2 * hit + false + missed, 1)


def best(rows, run, grid):
    """Find the settings of the grid with the highest F1 for these recordings."""
    names = list(grid)
    tried = [
        dict(zip(names, values, strict=True))
        for values in itertools.product(*grid.values())
    ]
    tried = [one for one in tried if one.get("off", 0.0) < one.get("on", 1.0)]
    done = [(score(rows, lambda t, v, one=one: run(t, v, **one)), one) for one in tried]
    return max(done, key=lambda both: f1(both[0][0]))


def main(arguments=None):
    """Print a line for each detector and folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    chosen = parser.parse_args(arguments)
    warnings.filterwarnings("ignore", module="obspy")
    for folder in chosen.folders:
        rows = list(recordings(folder))
        print(
            f"{folder.name:24}{'events':>7}{'F1':>7}{'P':>7}{'R':>7}{'FA/h':>7}", end=""
        )
        print(f"{'onset s':>9}{'offset s':>9}")
        done = score(rows, lambda t, v: detect(t, v, {"kind": "energy"}))
        line("onset, defaults", *done[:3])
        for name, make in PEERS.items():
            try:
                run, grid = make()
            except ImportError as error:
                print(f"{name:30}left out: {error}")
                continue
            done, settings = best(rows, run, grid)
            line(name[:23], *done[:3])
            words = ", ".join(f"{k} {v:g}" for k, v in settings.items())
            print(f"{'':24}{done[3]:.2f} us a reading; {words}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
