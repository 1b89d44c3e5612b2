"""One class is left out of training: how it is rejected, and learnt from ten labels.

    python -m benchmarks.learning.unknown FOLDER [SEEDS] [SET ...]

Each class in turn.  "at 5 %": the limit is put where exactly 5 % of the known held-out
rows are rejected, right or wrong; "as served": the limit that training found, which is
to reject 5 % of the right answers.  Probability alone is beside it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from app.domain import Profile
from app.features import CONVOLVED
from app.learning import Model
from app.learning.dataset import Dataset, build
from app.learning.export import export
from app.learning.train import train_full
from benchmarks.learning import sets
from benchmarks.learning.quality import quiet

RATE = 0.05
LABELS = 10
TRAIN_SHARE = 0.65


def shuffled(dataset: Dataset, part: np.ndarray, seed: int) -> np.ndarray:
    """Choose the training rows: a share of each class of each device."""
    random = np.random.default_rng(seed)
    pairs = list(zip(dataset.devices, dataset.labels, strict=True))
    train = np.zeros(len(dataset), dtype=bool)
    for pair in sorted(set(pairs)):
        mine = random.permutation([i for i, p in enumerate(pairs) if p == pair])
        train[mine[: max(1, round(TRAIN_SHARE * len(mine)))]] = True
    return train


def official(dataset: Dataset, part: np.ndarray, seed: int) -> np.ndarray:
    """Choose the official training part."""
    return part == "train"


def session(dataset: Dataset, part: np.ndarray, seed: int) -> np.ndarray:
    """Choose the first session."""
    return part == "s1"


Load = Callable[[Path, int], tuple[Profile, list[sets.Row]]]
SETS: dict[str, tuple[Load, Callable[[Dataset, np.ndarray, int], np.ndarray]]] = {
    "basicmotions": (lambda folder, _: sets.basicmotions(folder), official),
    "racketsports": (lambda folder, _: sets.racketsports(folder), shuffled),
    "uci_emg": (lambda folder, _: sets.uci_emg(folder), shuffled),
    "myo": (sets.myo, shuffled),
    "myo s1 -> s2": (sets.myo, session),
}


def ask(profile: Profile, train: Dataset, rows: Dataset) -> dict[str, np.ndarray]:
    """Train as the service does, and ask the served model about rows."""
    model = Model.load(
        *export(train_full(train, seed=1, progress=quiet), profile, train)
    )
    said = [model.predict(row) for row in rows.table(model.feature_set)]
    rule = model.card.rule
    top = np.array([p.probability for p in said])
    strange = 1 - top
    if rule is not None:
        far = [model.distances(row) for row in rows.table(model.feature_set)]
        pairs = zip(far, top, strict=True)
        strange = np.array([rule.strangeness(d, p) for d, p in pairs])
    return {
        "label": np.array([p.label for p in said]),
        "unknown": np.array([p.unknown for p in said]),
        "doubt": 1 - top,
        "strange": strange,
    }


def one(
    profile: Profile, dataset: Dataset, train: np.ndarray, left_out: str, seed: int
) -> dict[str, float]:
    """Leave one class out, then give ten labels of it."""
    label = np.array(dataset.labels)
    known = label != left_out
    new = np.random.default_rng(seed).permutation(np.flatnonzero(~known))
    learnt = np.flatnonzero(train & known)
    said = ask(profile, dataset.take(learnt), dataset)
    held = ~train & known
    right = held & (said["label"] == label)

    def rejected(score: str) -> float:
        limit = np.quantile(said[score][held], 1 - RATE, method="higher")
        return float((said[score][~known] > limit).mean())

    more = np.sort(np.concatenate((learnt, new[:LABELS])))
    after = ask(profile, dataset.take(more), dataset)
    recalls = []
    for answers in (said, after):
        hit = answers["label"] == label
        recalls.append(
            np.mean([hit[held & (label == y)].mean() for y in set(label[held])])
        )
    rest = new[LABELS:]
    return {
        "accuracy": float(right[held].mean()),
        "probability, at 5 %": rejected("doubt"),
        "at 5 %": rejected("strange"),
        "as served": float(said["unknown"][~known].mean()),
        "right answers rejected": float(said["unknown"][right].mean()),
        "known rejected": float(said["unknown"][held].mean()),
        "new class, recall": float((after["label"][rest] == left_out).mean()),
        "old classes, recall": float(recalls[1] - recalls[0]),
    }


def main(folder: Path, seeds: int, names: list[str]) -> None:
    """Print a row for each set, and one for each class of it."""
    titles: list[str] = []
    for name in names:
        load, choose = SETS[name]
        found: dict[str, list[dict[str, float]]] = {}
        for seed in range(seeds):
            profile, rows = load(folder, seed)
            dataset = build(profile, [r.window for r in rows], CONVOLVED)
            part = {r.window.event: r.part for r in rows}
            train = choose(dataset, np.array([part[e] for e in dataset.events]), seed)
            if len(dataset) > 1000:  # patterns are never chosen there
                dataset = replace(dataset, features=dataset.table("v1"))
            for left_out in dataset.classes:
                got = one(profile, dataset, train, left_out, seed)
                found.setdefault(left_out, []).append(got)
        every = [got for rows_ in found.values() for got in rows_]
        if not titles:
            titles = list(every[0])
            print("| set | left out |", " | ".join(titles), "|")
            print("| --- | --- |" + " --- |" * len(titles))
        for left_out, part_ in [("mean", every), *found.items()]:
            cells = [f"{np.mean([g[t] for g in part_]):.2f}" for t in titles[:-1]]
            cells.append(f"{np.mean([g[titles[-1]] for g in part_]):+.3f}")
            print(f"| {name} | {left_out} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main(
        Path(sys.argv[1]),
        int(sys.argv[2]) if len(sys.argv) > 2 else 1,
        sys.argv[3:] or list(SETS),
    )
