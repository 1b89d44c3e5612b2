"""Microseconds of CPU a call and a reading, six channels, default settings.

    python -m benchmarks.detection.cost

Two sizes of chunk give the cost of a call and of a reading; the best of several runs.
"in a turn": one compiled call takes a message of each of 64 streams, as the service
does with what a turn of its loop brought.  Everything is also told in empty compiled
calls of the same run, since machines differ.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.detection import DETECTORS, Stream, build, energy, warm
from app.detection.scores import silent
from app.domain import Channel, DetectorVersion, FloatArray, Profile, Readings
from app.domain.addresses import address, float64_at
from app.domain.compiled import compiled

RATE_HZ = 50.0
N_CHANNELS = 6
SIZES = (1, 50)
CALLS = 4000
RUNS = 7
HOURS = 10
STREAMS = 64
EMPTY = "call of a kernel"


class Bare:
    """What no detector can do without: a call, and a look at every value."""

    def __init__(self, step):
        self.sums = np.zeros(3 * N_CHANNELS)
        self.step = step
        self.address = address(self.sums)

    def update(self, values):
        """Take readings."""
        return self.step(values, self.address)


@compiled
def nothing(values: FloatArray, memory: int) -> int:
    """Do nothing."""
    return 0


@compiled
def sums(values: FloatArray, memory: int) -> int:
    """Add up the values, their squares and their distances, channel by channel."""
    rows = float64_at(memory, 3 * N_CHANNELS).reshape(3, N_CHANNELS)
    for c in range(values.shape[1]):
        total, squares, away = rows[0, c], rows[1, c], rows[2, c]
        for k in range(values.shape[0]):
            x = values[k, c]
            total += x
            squares += x * x
            away += abs(x)
        rows[0, c], rows[1, c], rows[2, c] = total, squares, away
    return 0


class Turn:
    """Energy detectors of many streams, each given a message by one compiled call."""

    def __init__(self, detectors):
        self.detectors = detectors  # they hold what the addresses name
        self.memories = np.array([address(one.memory) for one in detectors])

    def update(self, values):
        """Take a message (n_readings, n_channels) of each stream."""
        return together(values, self.memories)


@compiled
def together(values: FloatArray, memories: NDArray[Any]) -> int:
    """Give a message to each stream."""
    found = 0
    for k in range(memories.size):
        found += energy.step(values[k], memories[k])
    return found


def energies(hours=0):
    """Give detectors that have seen so many hours."""
    detectors = [build({"kind": "energy"}, RATE_HZ, N_CHANNELS) for _ in range(STREAMS)]
    if hours:
        rng = np.random.default_rng(2)
        hour = rng.normal(0, 1, (int(3600 * RATE_HZ), N_CHANNELS))
        for _ in range(hours):
            detectors[0].update(hour)
        for other in detectors[1:]:
            other.restore(detectors[0].state())
    return detectors


def best(make, feed, chunks):
    """Least CPU microseconds a call of `feed(make(), chunk)` over the chunks."""
    least = np.inf
    for _ in range(RUNS):
        thing = make()
        begin = time.process_time()
        for chunk in chunks:
            feed(thing, chunk)
        least = min(least, (time.process_time() - begin) / len(chunks))
    return least * 1e6


def main():
    """Print one line a detector, and for the whole stream and at hour 10."""
    warm()
    n = SIZES[-1] * CALLS
    values = np.random.default_rng(1).normal(0, 1, (n, N_CHANNELS))
    channels = tuple(Channel(f"c{i}") for i in range(N_CHANNELS))
    profile = Profile("benchmark", channels, RATE_HZ)
    version = DetectorVersion(1, "benchmark", {})
    rows = []
    for kind in sorted(DETECTORS):
        settings = {"kind": kind}
        if kind == "scored":
            settings["model"] = silent(N_CHANNELS).to_text()
        costs = []
        for size in SIZES:
            chunks = [values[i * size : (i + 1) * size] for i in range(CALLS)]
            costs.append(
                best(
                    lambda settings=settings: build(settings, RATE_HZ, N_CHANNELS),
                    lambda detector, chunk: detector.update(chunk),
                    chunks,
                )
            )
        rows.append((kind, *costs))
    costs = []
    for size in SIZES:
        chunks = [
            Readings(
                1 + i * size,
                values[i * size : (i + 1) * size].astype(np.float32),
                np.arange(i * size, (i + 1) * size) / RATE_HZ,
            )
            for i in range(CALLS)
        ]
        costs.append(
            best(
                lambda: Stream(profile, version, "d", "b"),
                lambda stream, readings: stream.receive(readings),
                chunks,
            )
        )
    rows.append(("Stream (energy)", *costs))
    for name, step in ((EMPTY, nothing), ("and three sums", sums)):
        costs = []
        for size in SIZES:
            chunks = [values[i * size : (i + 1) * size] for i in range(CALLS)]
            costs.append(
                best(
                    lambda step=step: Bare(step),
                    lambda bare, chunk: bare.update(chunk),
                    chunks,
                )
            )
        rows.append((name, *costs))
    old = energies(HOURS)
    costs = []
    for size in SIZES:
        chunks = [values[i * size : (i + 1) * size] for i in range(CALLS)]
        costs.append(best(lambda: old[0], lambda one, chunk: one.update(chunk), chunks))
    rows.append((f"energy, hour {HOURS}", *costs))
    young = energies()
    for one in young:
        one.update(values[: int(60 * RATE_HZ)])
    for name, detectors in (("minute 1", young), (f"hour {HOURS}", old)):
        turn, costs = Turn(detectors), []
        for size in SIZES:
            shape = (-1, STREAMS, size, N_CHANNELS)
            whole = len(values) // (STREAMS * size) * STREAMS * size
            turns = list(values[:whole].reshape(shape)[: 20 * CALLS // STREAMS])
            costs.append(
                best(
                    lambda turn=turn: turn, lambda one, chunk: one.update(chunk), turns
                )
                / STREAMS
            )
        rows.append((f"in a turn, {name}", *costs))
    empty = next(one for name, one, _ in rows if name == EMPTY)
    print(f"{'us':20}{'1 reading':>11}{'50 readings':>13}{'each reading':>14}  calls")
    for name, one, fifty in rows:
        each = (fifty - one) / (SIZES[1] - SIZES[0])
        calls = f"{one / empty:9.2f}{each / empty:8.3f}"
        print(f"{name:20}{one:11.3f}{fifty:13.2f}{each:14.4f}{calls}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
