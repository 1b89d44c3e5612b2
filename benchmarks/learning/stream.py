"""A stream that drifts, tested and then learnt, row by row in time.

    python -m benchmarks.learning.stream FOLDER/stream.parquet [--every 50] [--rows N]

Each row is an event of one reading.  Every `--every` rows the incremental estimator of
the online mode goes on, from the 2000 newest labels as in the service; the rows between
are answered by the version before.  Accuracy over all rows (prequential), beside a
model that is never trained again and a repetition of the last label.
"""

from __future__ import annotations

import argparse
import sys
import time
import uuid
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from app.domain import Channel, LabelledWindow, Profile, utc
from app.learning import Model
from app.learning.dataset import Dataset, build
from app.learning.export import export
from app.learning.incremental import train_incremental
from app.learning.train import train_full
from app.service.jobs.training import ONLINE_ROWS

FROZEN_ROWS = 1000
PARITY_EVERY = 50


def quiet(_: str, __: float) -> None:
    """Show no progress."""


def read(path: Path, rows: int | None) -> tuple[Profile, Dataset]:
    """Read a table with a column `label`; every other column is a channel."""
    table = pq.read_table(path)
    names = [n for n in table.column_names if n != "label"]
    values = np.column_stack([table[n].to_numpy() for n in names]).astype(np.float32)
    said = [str(y) for y in table["label"].to_pylist()][:rows]
    profile = Profile("stream", tuple(Channel(n) for n in names), 1.0)
    made = [
        LabelledWindow(uuid.UUID(int=i), "s", utc(i), values[i : i + 1], y)
        for i, y in enumerate(said)
    ]
    return profile, build(profile, made)


def main() -> int:
    """Print the accuracies."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--every", type=int, default=50)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--estimator", default="auto")
    asked = parser.parse_args()
    profile, rows = read(asked.file, asked.rows)
    truth = np.array(rows.labels)
    n, state, right, took = len(rows), None, [], []
    frozen = None
    for at in range(asked.every, n, asked.every):
        past = rows.take(range(max(0, at - ONLINE_ROWS), at))
        coming = slice(at, min(at + asked.every, n))
        if len(past.classes) < 2:
            right += [y == past.labels[-1] for y in truth[coming]]
            continue
        begun = time.perf_counter()
        trained = train_incremental(
            state, past, asked.estimator, seed=1, progress=quiet, online=True
        )
        took.append(time.perf_counter() - begun)
        state = trained.state
        said = trained.probabilities(rows.features[coming])
        right += list(np.array(trained.classes)[said.argmax(1)] == truth[coming])
        if len(took) % PARITY_EVERY == 1:  # export compares both, row by row
            Model.load(*export(trained, profile, past))
        if frozen is None and at >= FROZEN_ROWS:
            frozen = train_full(rows.take(range(at)), seed=1, progress=quiet)
        if at % (100 * asked.every) == 0:
            print(f"{at:7} rows: {np.mean(right):.4f}", flush=True)
    last = float(np.mean(truth[1:] == truth[:-1]))
    print(
        f"online {np.mean(right):.4f}   the last label {last:.4f}   update p50 ", end=""
    )
    print(f"{np.median(took):.2f} s, p99 {np.quantile(took, 0.99):.2f} s")
    if frozen is not None:
        tail = slice(FROZEN_ROWS, n)
        said = frozen.probabilities(rows.features[tail]).argmax(1)
        kept = float(np.mean(np.array(frozen.classes)[said] == truth[tail]))
        print(f"frozen after {FROZEN_ROWS} rows ({frozen.name}) {kept:.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
