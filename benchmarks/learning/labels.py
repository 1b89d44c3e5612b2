"""How many labels a good model needs: by the queue, and by chance.

    python -m benchmarks.learning.labels FOLDER [SEEDS] [SET ...]

A pool of events without labels, a model that learns 10 more of them at a time, once as
`GET /labels/queue` would ask for them and once by chance; accuracy on people (uci_emg)
or sessions (myo) that are never asked about.  The figure is the number of labels at
which 95 % of the accuracy with all labels is reached for good.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np

from app.domain import utc
from app.learning.dataset import Dataset
from app.learning.queue import Waiting, rank
from app.learning.train import train_full
from benchmarks.learning import sets
from benchmarks.learning.quality import parts, quiet

BATCH = 10
SHARE = 0.95
NOW = utc(2e9)
ESTIMATOR = "extra_trees"


def pools(name: str, folder: Path, seed: int) -> tuple[Dataset, Dataset]:
    """Return the pool and the rows that judge."""
    if name == "myo":
        dataset, part = parts(*reversed(sets.myo(folder, seed)))
        held = part == "s2"
    else:
        dataset, part = parts(*reversed(sets.uci_emg(folder)))
        people = sorted(set(dataset.devices))
        chosen = np.random.default_rng(seed).permutation(people)[: len(people) // 3]
        held = np.isin(dataset.devices, chosen)
    return dataset.take(np.flatnonzero(~held)), dataset.take(np.flatnonzero(held))


def accuracy(rows: Dataset, test: Dataset, seed: int) -> tuple[float, object]:
    """Train on rows, ask about the test rows."""
    model = train_full(rows, ESTIMATOR, seed=seed, progress=quiet)
    said = np.array(model.classes)[model.probabilities(test.features).argmax(1)]
    return float(np.mean(said == np.array(test.labels))), model


def ask(pool: Dataset, taken: list[int], model: object) -> list[int]:
    """Take the next rows as the queue would."""
    left = [i for i in range(len(pool)) if i not in set(taken)]
    said = np.zeros((len(left), 0))
    if model is not None:
        said = model.probabilities(pool.features[left])
    waiting = [
        Waiting(
            pool.events[i],
            NOW,
            model.classes[int(row.argmax())] if len(row) else None,
            tuple(row.tolist()),
            False,
            pool.features[i],
        )
        for i, row in zip(left, said, strict=True)
    ]
    counted = Counter(pool.labels[i] for i in taken)
    at = {event: i for i, event in enumerate(pool.events)}
    return [at[pick.event] for pick in rank(waiting, counted, BATCH, NOW)]


def needed(pool: Dataset, test: Dataset, seed: int, full: float, by: str) -> int:
    """Count the labels until the accuracy stays where it should be."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(pool)).tolist()
    taken: list[int] = []
    model: object = None
    curve: list[tuple[int, float]] = []
    while len(taken) < len(pool):
        if by == "queue":
            taken += ask(pool, taken, model)
        else:
            taken += order[len(taken) : len(taken) + BATCH]
        rows = pool.take(sorted(taken))
        if len(rows.classes) < 2:
            continue
        reached, model = accuracy(rows, test, seed)
        curve.append((len(taken), reached))
    below = [n for n, reached in curve if reached < SHARE * full]
    return min((n for n, _ in curve if n > max(below, default=0)), default=len(pool))


def main(folder: Path, seeds: int, names: list[str]) -> None:
    """Print a line a set."""
    for name in names:
        found: dict[str, list[int]] = {"queue": [], "random": []}
        for seed in range(seeds):
            pool, test = pools(name, folder, seed)
            full, _ = accuracy(pool, test, seed)
            for by, numbers in found.items():
                numbers.append(needed(pool, test, seed, full, by))
        queue, chance = (np.mean(found[by]) for by in ("queue", "random"))
        print(
            f"{name}: of {len(pool)} labels the queue needs {queue:.0f}, chance "
            f"{chance:.0f}: {queue / chance:.2f} x   {found}",
            flush=True,
        )


if __name__ == "__main__":
    chosen = sys.argv[3:] or ["uci_emg", "myo"]
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 2, chosen)
