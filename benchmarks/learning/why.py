"""Are planted causes found?  Channel and part of windows whose class has one cause.

python -m benchmarks.learning.why [SEEDS]
"""

from __future__ import annotations

import sys
import time

import numpy as np

from app.learning import Model, classify, why
from app.learning.dataset import build
from app.learning.export import export
from app.learning.train import train_full
from benchmarks.learning.quality import quiet
from tests.learning.planted import KINDS, POST, PRE, Planted

ESTIMATORS = ("blend", "logistic", "extra_trees")
EACH = 4


def found(kind: str, seed: int, estimator: str) -> list[tuple[bool, bool, float]]:
    """Say of windows that are rightly predicted whether channel and part are right."""
    planted = Planted(kind, seed)
    dataset = build(planted.profile, planted.rows(40))
    trained = train_full(dataset, estimator, seed=1, progress=quiet)
    model = Model.load(*export(trained, planted.profile, dataset))
    out = []
    for label in [*planted.causes] * EACH:
        window, channel, first, last = planted.window(label)
        if classify(model, window, PRE, POST).label != label:
            continue
        begin = time.perf_counter()
        said = why.explain(model, window, PRE, POST, label)
        took = time.perf_counter() - begin
        best = max(said.channels, key=lambda c: said.channels[c].weight)
        a, b, _ = max(said.parts, key=lambda part: part[2].weight)
        shared = min(b, last) - max(a, first)
        out.append((best == channel, shared >= 0.5 * min(b - a, last - first), took))
    return out


def main(seeds: int) -> None:
    """Print the table."""
    print("| signal | estimator | windows | channel right | part right | ms |")
    print("| --- | --- | --- | --- | --- | --- |")
    for kind in KINDS:
        for estimator in ESTIMATORS:
            rows = [r for s in range(seeds) for r in found(kind, s, estimator)]
            right = np.array(rows).mean(axis=0)
            print(
                f"| {kind} | {estimator} | {len(rows)} | {right[0]:.2f} | "
                f"{right[1]:.2f} | {1e3 * right[2]:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
