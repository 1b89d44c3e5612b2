"""What the next labels are worth: as the learning curve says, and as it turns out.

python -m benchmarks.learning.worth FOLDER [DRAWS]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from app.learning.curve import NEXT, proxy, trace
from app.learning.dataset import build
from benchmarks.learning import sets

LABELS = (60, 100, 200, 300)
SEED = 1


def main(folder: Path, draws: int) -> None:
    """Print the table."""
    print("| set | labels | said | turned out | within the limits |")
    print("| --- | --- | --- | --- | --- |")
    judge = proxy("logistic", SEED)
    loaded = {"uci_emg": sets.uci_emg(folder), "myo": sets.myo(folder, 0)}
    for name, (profile, rows) in loaded.items():
        dataset = build(profile, [r.window for r in rows])
        for n in LABELS:
            said, came, within = [], [], []
            for draw in range(draws):
                order = np.random.default_rng(draw).permutation(len(dataset))
                now = dataset.take(np.sort(order[:n]))
                more = dataset.take(np.sort(order[: n + NEXT]))
                rest = dataset.take(order[n + NEXT :])
                curve = trace(now, judge, SEED)
                assert curve is not None
                said.append(curve.gain)
                came.append(judge(more, rest) - judge(now, rest))
                within.append(curve.low <= came[-1] <= curve.high)
            print(
                f"| {name} | {n} | {100 * np.mean(said):+.1f} | "
                f"{100 * np.mean(came):+.1f} | {sum(within)} of {draws} |",
                flush=True,
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 5)
