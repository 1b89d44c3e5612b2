"""What the energy detector could reach if somebody told it the right settings.

    python -m benchmarks.detection.limits FOLDER [FOLDER ...]

Event F1 at IoU 0.5 with the defaults, with the best settings of a grid for the folder,
and with the best settings for each recording, chosen with the truth in hand: an upper
bound, never a result.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path

import numpy as np

from app.domain.overlap import match
from benchmarks.detection.quality import detect, recordings

GRID = {
    "smooth_seconds": (0.3, 0.6, 1.2, 2.0),
    "baseline_seconds": (20.0, 60.0),
    "merge_seconds": (0.5, 1.5),
    "on_share": (0.35, 0.5, 0.7),
    "off_share": (0.2, 0.35, 0.6),
}


def counts(truth, found):
    """Hits, false alarms, missed."""
    hit = len(match(truth, found))
    return np.array([hit, len(found) - hit, len(truth) - hit])


def f1(hit, false, missed):
    """Event F1 of counts."""
    return 2 * hit / max(2 * hit + false + missed, 1)


def main(arguments=None):
    """Print one line a folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    chosen = parser.parse_args(arguments)
    grid = [
        dict(zip(GRID, values, strict=True))
        for values in itertools.product(*GRID.values())
    ]
    grid = [{}, *(one for one in grid if one["off_share"] <= one["on_share"])]
    print(f"{'F1':16}{'defaults':>10}{'best, all':>11}{'best, each':>12}")
    for folder in chosen.folders:
        table = np.array(
            [
                [
                    counts(truth, detect(t, values, {"kind": "energy", **one}))
                    for one in grid
                ]
                for _, t, values, truth in recordings(folder)
            ]
        )
        # a recording without a hit: the fewest false alarms
        best = [max(row, key=lambda c: (f1(*c), -c[1])) for row in table]
        whole = max(f1(*c) for c in table.sum(axis=0))
        each = f1(*np.sum(best, axis=0))
        print(f"{folder.name:16}{f1(*table[:, 0].sum(axis=0)):10.3f}", end="")
        print(f"{whole:11.3f}{each:12.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
