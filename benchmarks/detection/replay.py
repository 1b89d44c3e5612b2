"""How many times faster than real time one core replays a stream.

    python -m benchmarks.detection.replay [--hours 2] [--kind energy]

One stream, 50 readings a second, 8 channels, through the product's `Stream` in messages
of `--readings`; events are cut out, but not classified or stored.  CPU time of one
thread; noise with an event of 2 s every 20 s.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np

from app.detection import Stream, warm
from app.domain import Channel, DetectorVersion, Event, Profile, Readings

RATE_HZ = 50.0
N_CHANNELS = 8
TARGET = 1000.0


def main(arguments=None):
    """Print the figure for each size of message; 1 if one misses the target."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--kind", default="energy")
    parser.add_argument("--readings", type=int, nargs="+", default=[1, 10, 50, 1000])
    chosen = parser.parse_args(arguments)
    warm()
    n = int(chosen.hours * 3600 * RATE_HZ)
    values = np.random.default_rng(1).normal(0, 1, (n, N_CHANNELS))
    at = np.arange(n) / RATE_HZ
    values[at % 20 >= 18] *= 10
    values = values.astype(np.float32)
    channels = tuple(Channel(f"c{i}") for i in range(N_CHANNELS))
    profile = Profile("benchmark", channels, RATE_HZ)
    version = DetectorVersion(1, "benchmark", {"kind": chosen.kind})
    slowest = np.inf
    print(f"{'readings a message':>18}{'events':>8}{'CPU s':>8}{'x real time':>13}")
    for size in chosen.readings:
        messages = [
            Readings(1 + i, values[i : i + size], at[i : i + size])
            for i in range(0, n, size)
        ]
        stream = Stream(profile, version, "d", "b")
        begin = time.process_time()
        said = [one for message in messages for one in stream.receive(message)]
        said += stream.close()
        spent = time.process_time() - begin
        events = sum(isinstance(one, Event) for one in said)
        times = n / RATE_HZ / spent
        slowest = min(slowest, times)
        print(f"{size:18}{events:8}{spent:8.2f}{times:13.0f}")
    return int(slowest < TARGET)


if __name__ == "__main__":
    sys.exit(main())
