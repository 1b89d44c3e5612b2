"""False events a day on streams in which nothing happens.

    python -m benchmarks.detection.noise [--hours 24] [--seeds 2] [--kind energy]

Seeded; 50 readings a second, as in the product's `Stream` but without its windows.
"""

from __future__ import annotations

import argparse
import itertools
import sys

import numpy as np
from scipy.signal import lfilter

from app.detection import build

RATE_HZ = 50.0
CHANNELS = (1, 6)


def streams(n, n_channels, seed):
    """Yield (name, values (n, n_channels))."""
    rng = np.random.default_rng(seed)
    white = rng.normal(0, 1, (n, n_channels))
    seconds = np.arange(n)[:, None] / RATE_HZ
    yield "white", white
    yield "white, amplitude only", np.abs(white)
    yield "heavy tails (t, 3)", rng.standard_t(3, (n, n_channels))
    yield "drift, 10 sd an hour", white + seconds / 360
    yield "waves, 20 sd in 15 min", white + 20 * np.sin(seconds * 2 * np.pi / 900)
    yield "louder, x 4 in an hour", white * (1 + 3 * (seconds % 3600) / 3600)
    spectrum = np.fft.rfft(white, axis=0)
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))[:, None]
    yield "1/f", np.fft.irfft(spectrum, n, axis=0)
    for seconds_long in (0.4, 2.0, 20.0):
        pole = 1 - 1 / (RATE_HZ * seconds_long)
        name = f"wandering, {seconds_long:g} s"
        yield name, lfilter([1], [1, -pole], white, axis=0)
    for seconds_long in (10.0, 60.0):
        # loudness that wanders: its logarithm, with a standard deviation of a half
        pole = 1 - 1 / (RATE_HZ * seconds_long)
        slow = lfilter([1], [1, -pole], rng.normal(0, 1, (n, 1)), axis=0)
        loudness = np.exp(0.5 * slow * np.sqrt(1 - pole * pole))
        yield f"loudness wanders, {seconds_long:g} s", white * loudness
    day = 2 * np.pi * seconds / 86400
    yield "daily cycle, 50 sd", white + 50 * np.sin(day)
    yield "daily cycle, also louder", (white * (1.5 + np.sin(day)) + 50 * np.sin(day))
    # mains at 50 Hz folds to a slow wave where the clock is not quite 50 Hz
    hum = np.sin(2 * np.pi * 49.7 * seconds)
    yield "mains hum, 2 sd", white + 2 * hum
    bursting = (seconds % 300 < 4) * (seconds > 300)
    yield "hum bursts, 0.5 sd, 288 a day", white + 0.5 * hum * bursting
    yield "hum bursts, 2 sd, 288 a day", white + 2 * hum * bursting
    yield "stuck", np.full((n, n_channels), 3.25)


def main(arguments=None):
    """Print false events a day, one line a kind of noise."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--seeds", type=int, default=1, help="days, each its own noise")
    parser.add_argument("--kind", default="energy")
    chosen = parser.parse_args(arguments)
    n = int(chosen.hours * 3600 * RATE_HZ)
    found = {}
    for n_channels, seed in itertools.product(CHANNELS, range(1, chosen.seeds + 1)):
        for name, values in streams(n, n_channels, seed):
            detector = build({"kind": chosen.kind}, RATE_HZ, n_channels)
            spans = detector.update(values)
            if chosen.kind == "regimes":
                # always in a regime: changes are what nothing should make
                spans = [s for s in spans if not s.truncated]
            days = chosen.hours * chosen.seeds / 24
            row = found.setdefault(name, dict.fromkeys(CHANNELS, 0.0))
            row[n_channels] += len(spans) / days
    print(f"{'false events a day':30}" + "".join(f"{c:>4} ch" for c in CHANNELS))
    for name, counts in found.items():
        print(f"{name:30}" + "".join(f"{c:7.1f}" for c in counts.values()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
