"""Quality of the portfolio on the benchmark sets, as a Markdown table.

    python -m benchmarks.learning.quality FOLDER [SEEDS] [ESTIMATOR ...]

Every number is that of the exported ONNX model, asked as the live path asks it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from app.domain import Profile
from app.features import CONVOLVED
from app.learning import ESTIMATORS, Model
from app.learning.dataset import Dataset, build, split
from app.learning.evaluate import evaluate
from app.learning.export import export
from app.learning.incremental import train_incremental
from app.learning.train import train_full
from benchmarks.learning import sets

FOLDS = 5


def quiet(_: str, __: float) -> None:
    """Show no progress."""


def accuracy(
    profile: Profile, train: Dataset, test: Dataset, estimator: str, seed: int
) -> float:
    """Train, export, load, and ask about every test row."""
    if estimator != "auto" and ESTIMATORS[estimator].incremental:
        fitted = train_incremental(None, train, estimator, seed=seed, progress=quiet)
    else:
        fitted = train_full(train, estimator, seed=seed, progress=quiet)
    return evaluate(Model.load(*export(fitted, profile, train, test)), test).accuracy


def parts(rows: list[sets.Row], profile: Profile) -> tuple[Dataset, np.ndarray]:
    """Return the dataset and the part of each of its rows."""
    dataset = build(profile, [r.window for r in rows], CONVOLVED)
    part = {r.window.event: r.part for r in rows}
    return dataset, np.array([part[e] for e in dataset.events])


def myo_sessions(folder: Path, estimator: str, seed: int, held: bool = False) -> float:
    """Session 1 of all ten people, then session 2; one model for all.

    With `held`, training leaves out the stable hold-out, as the service does.
    """
    profile, rows = sets.myo(folder, seed)
    dataset, part = parts(rows, profile)
    train = dataset.take(np.flatnonzero(part == "s1"))
    if held:
        train = train.take(split(train).train)
    test = dataset.take(np.flatnonzero(part == "s2"))
    return accuracy(profile, train, test, estimator, seed)


def myo_unseen(folder: Path, estimator: str, seed: int) -> float:
    """Two people left out at a time, no label of theirs."""
    profile, rows = sets.myo(folder, seed)
    dataset = build(profile, [r.window for r in rows], CONVOLVED)
    return leave_out(profile, dataset, np.array(dataset.devices), estimator, seed)


def uci_unseen(folder: Path, estimator: str, seed: int) -> float:
    """Leave out a fifth of the subjects at a time."""
    profile, rows = sets.uci_emg(folder)
    dataset, part = parts(rows, profile)
    return leave_out(profile, dataset, part, estimator, seed)


def leave_out(
    profile: Profile, dataset: Dataset, group: np.ndarray, estimator: str, seed: int
) -> float:
    """Mean accuracy over rows, each group judged by a model that never saw it."""
    names = sorted(set(group))
    right = 0.0
    for k in range(FOLDS):
        out = np.isin(group, names[k::FOLDS])
        test = dataset.take(np.flatnonzero(out))
        train = dataset.take(np.flatnonzero(~out))
        right += accuracy(profile, train, test, estimator, seed) * len(test)
    return right / len(dataset)


def racketsports(folder: Path, estimator: str, seed: int) -> float:
    """Five-fold cross-validation, stratified, on the official training part."""
    profile, rows = sets.racketsports(folder)
    dataset = build(profile, [r.window for r in rows], CONVOLVED)
    random = np.random.default_rng(seed)
    fold = np.empty(len(dataset), dtype=int)
    labels = np.array(dataset.labels)
    for label in dataset.classes:
        mine = random.permutation(np.flatnonzero(labels == label))
        fold[mine] = np.arange(len(mine)) % FOLDS
    return leave_out(profile, dataset, fold, estimator, seed)


def basicmotions(folder: Path, estimator: str, seed: int) -> float:
    """Official training part, official test part."""
    profile, rows = sets.basicmotions(folder)
    dataset, part = parts(rows, profile)
    train = dataset.take(np.flatnonzero(part == "train"))
    test = dataset.take(np.flatnonzero(part == "test"))
    return accuracy(profile, train, test, estimator, seed)


def myo_served(folder: Path, estimator: str, seed: int) -> float:
    """As `myo_sessions`, without the rows that the service holds out."""
    return myo_sessions(folder, estimator, seed, held=True)


def myo_one_device(folder: Path, estimator: str, seed: int) -> float:
    """As `myo_sessions`, but nobody knows who is who: what the modes are worth."""
    profile, rows = sets.myo(folder, seed)
    dataset, part = parts(rows, profile)
    dataset = replace(dataset, devices=("one",) * len(dataset))
    train = dataset.take(np.flatnonzero(part == "s1"))
    test = dataset.take(np.flatnonzero(part == "s2"))
    return accuracy(profile, train, test, estimator, seed)


SCENARIOS: dict[str, Callable[[Path, str, int], float]] = {
    "myo s1 -> s2": myo_sessions,
    "myo s1 less hold-out -> s2": myo_served,
    "myo s1 -> s2, no modes": myo_one_device,
    "myo unseen people": myo_unseen,
    "uci_emg unseen subjects": uci_unseen,
    "racketsports 5-fold": racketsports,
    "basicmotions": basicmotions,
}


def main(folder: Path, seeds: int, names: list[str]) -> None:
    """Print the table."""
    print("| scenario |", " | ".join(names), "|")
    print("| --- |" + " --- |" * len(names))
    for title, run in SCENARIOS.items():
        cells = []
        for name in names:
            # boosting over hundreds of rows times folds is minutes; two sets suffice
            if name == "boosting" and title not in (
                "racketsports 5-fold",
                "basicmotions",
            ):
                cells.append("-")
                continue
            got = [run(folder, name, seed) for seed in range(seeds)]
            cells.append(f"{np.mean(got):.3f}")
        print(f"| {title} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main(
        Path(sys.argv[1]),
        int(sys.argv[2]) if len(sys.argv) > 2 else 1,
        sys.argv[3:] or ["auto", *ESTIMATORS],
    )
