"""Random schedules of everything that can happen between a device and the store.

    python -m benchmarks.schedules [--schedules 10000] [--steps 80] [--seed 0]

The machine of `tests/wire/resume.py`: the client's own buffer, the real sessions of
several connections and a store with transactions.  A schedule is a random sequence of
readings made, frames sent, resent, late or lost, lines that break or stay half open,
take-overs, crashes of the service, commits whose reply is lost or that find no store,
restarts of the device from its journal and readings given up.  After each step nothing
may be lost, doubled or made up, and at the end everything becomes durable.  What was
reached is counted; a schedule that fails is printed in its shortest form.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from tests.wire.resume import play

A_PIECE = 250


def main() -> None:
    """Play them on all processors, and say what they reached."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--schedules", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=80, help="drawn for each")
    parser.add_argument("--seed", type=int, default=0, help="of the first")
    asked = parser.parse_args()
    began = time.perf_counter()
    reached: Counter[str] = Counter()
    end = asked.seed + asked.schedules
    firsts = range(asked.seed, end, A_PIECE)
    pieces = [range(first, min(first + A_PIECE, end)) for first in firsts]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for piece in pool.map(play, pieces, [asked.steps] * len(pieces)):
            reached += piece
    told = ", ".join(f"{count:,} {name}" for name, count in reached.most_common())
    print(f"nothing lost, doubled or made up: {told}")
    print(f"{time.perf_counter() - began:.0f} s, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
