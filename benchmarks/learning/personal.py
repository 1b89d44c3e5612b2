"""A new person: before their labels, after those of one session, and what others lose.

    python -m benchmarks.learning.personal FOLDER [SEED]

myo: ten people in turn are new.  The base has learnt session 1 of the nine others.  The
new person labels session 1; session 2 of theirs, and of the others, is answered by
- `base`: what served before,
- `joint`: one model trained again on all, which tells modes of (device, class) apart,
- `own`: a model of the person's labels alone,
- `chosen`: `own` where it is better beyond chance on the person's labels, each answered
  by models without it (folds of neighbours in time); else `joint`.
A person is worse off if the sign test says so at 5 %.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from app.learning.dataset import Dataset, build
from app.learning.evidence import chance
from app.learning.train import Trained, train_full
from benchmarks.learning import sets
from benchmarks.learning.quality import quiet

ESTIMATOR = "blend"
ALPHA = 0.05


def answers(model: Trained, rows: Dataset) -> np.ndarray:
    """Return which rows a model has right."""
    said = model.probabilities(rows.table(model.feature_set)).argmax(axis=1)
    return np.array(model.classes)[said] == np.array(rows.labels)


def fit(rows: Dataset) -> Trained:
    """Train as a retrain does, with calibration, whose folds also judge."""
    return train_full(rows, ESTIMATOR, seed=1, progress=quiet)


def choose(own: Trained, joint: Trained, rows: Dataset) -> str:
    """Say which serves a person, by the rows of theirs that neither has learnt."""
    mine = [own.unseen[e] for e in rows.events]
    theirs = [joint.unseen[e] for e in rows.events]
    wins = sum(a and not b for a, b in zip(mine, theirs, strict=True))
    losses = sum(b and not a for a, b in zip(mine, theirs, strict=True))
    return "own" if chance(wins, losses) <= ALPHA else "joint"


def worse(now: np.ndarray, before: np.ndarray) -> bool:
    """Whether one set of answers is worse than another beyond chance."""
    wins, losses = int((now & ~before).sum()), int((before & ~now).sum())
    return chance(losses, wins) <= ALPHA


def main() -> None:
    """Print the table."""
    folder = Path(sys.argv[1])
    profile, rows = sets.myo(folder, int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    first = build(profile, [r.window for r in rows if r.part == "s1"])
    second = build(profile, [r.window for r in rows if r.part == "s2"])
    people = sorted(set(first.devices))
    right: dict[str, list[np.ndarray]] = defaultdict(list)
    hurt: dict[str, int] = defaultdict(int)
    joint = fit(first)
    for person in people:
        others = first.take(i for i, d in enumerate(first.devices) if d != person)
        theirs = first.take(i for i, d in enumerate(first.devices) if d == person)
        asked = second.take(i for i, d in enumerate(second.devices) if d == person)
        rest = second.take(i for i, d in enumerate(second.devices) if d != person)
        base, own = fit(others), fit(theirs)
        said = {
            "base": answers(base, asked),
            "joint": answers(joint, asked),
            "own": answers(own, asked),
        }
        took = choose(own, joint, theirs)
        said["chosen"] = said[took]
        for name, one in said.items():
            right[name].append(one)
            hurt[name] += worse(one, said["joint"])
        after, before = answers(joint, rest), answers(base, rest)
        for other in sorted(set(rest.devices)):
            at = np.array([d == other for d in rest.devices])
            hurt["others"] += worse(after[at], before[at])
        print(
            person,
            {name: round(float(one.mean()), 3) for name, one in said.items()},
            f"takes {took}, others {before.mean():.3f} -> {after.mean():.3f}",
            flush=True,
        )
    for name, of in right.items():
        print(
            f"{name}: {np.concatenate(of).mean():.3f}, people worse than by the joint "
            f"model {hurt[name]} of {len(people)}"
        )
    print(f"others made worse by a new person's labels: {hurt['others']}")


if __name__ == "__main__":
    main()
