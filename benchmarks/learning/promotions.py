"""How often the verdict is wrong: equal models, and labels that one key poisons.

    python -m benchmarks.learning.promotions FOLDER [ROUNDS]

Equal models: two coins of the same accuracy answer the same hold-out, 1,000 rounds for
each size and accuracy; every promotion is a false one.  Poisoned: uci_emg, a third of
the rows is set aside with its true labels.  The champion learns half of the others.
Then the rest comes, labelled by a key that flips 30 % of its labels, and the whole
`challenge` decides.  A promoted model is worse if it has fewer of the rows set aside
right than the champion it replaced, and surely worse if the sign test says so at 5 %.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import numpy as np

from app.domain import LabelledWindow, RetrainPolicy
from app.learning.challenge import Champion, challenge
from app.learning.dataset import build
from app.learning.evaluate import Report, evaluate
from app.learning.evidence import chance
from app.learning.model import Model
from app.learning.promotion import Candidate, decide
from benchmarks.learning import sets
from benchmarks.learning.quality import quiet

NULL_ROUNDS = 1000
FLIPPED = 0.3
ESTIMATOR = "lda"


def coin(right: np.ndarray, n_train: int) -> Candidate:
    """Return a side of the comparison that was right on these rows."""
    correct = {UUID(int=i): bool(r) for i, r in enumerate(right)}
    accuracy = float(right.mean())
    report = Report(len(right), accuracy, 0.0, 0.0, 0.0, 0.0, (), {}, (), {}, correct)
    return Candidate(report, n_train)


def equal(n: int, accuracy: float, n_train: int, seed: int = 0) -> float:
    """Share of equally good challengers that are promoted over 100 training rows."""
    random = np.random.default_rng(seed)
    promoted = 0
    for _ in range(NULL_ROUNDS):
        ours, theirs = random.random((2, n)) < accuracy
        promoted += decide(coin(theirs, 100), coin(ours, n_train)).promotes
    return promoted / NULL_ROUNDS


def flip(
    rows: list[LabelledWindow], share: float, random: np.random.Generator
) -> list[LabelledWindow]:
    """Give a share of the rows another label."""
    classes = sorted({r.label for r in rows})
    wrong = set(random.permutation(len(rows))[: round(share * len(rows))].tolist())
    return [
        replace(r, label=str(random.choice([c for c in classes if c != r.label])))
        if i in wrong
        else r
        for i, r in enumerate(rows)
    ]


def poisoned(folder: Path, seed: int, share: float) -> tuple[str, int, int, int]:
    """One round: the verdict, rows that only the new, only the old has right, rows."""
    random = np.random.default_rng(seed)
    profile, all_rows = sets.uci_emg(folder)
    profile = replace(profile, retrain=RetrainPolicy(estimator=ESTIMATOR))
    windows = [r.window for r in all_rows]
    order = random.permutation(len(windows))
    third = len(windows) // 3
    aside, first, later = (
        [windows[i] for i in sorted(part)]
        for part in (order[:third], order[third : 2 * third], order[2 * third :])
    )
    asked = {"kind": "full", "seed": seed, "progress": quiet}
    old = challenge(profile, first, **asked)
    champion = Champion(Model.load(old.onnx, old.card, 1), old.manifest)
    both = first + flip(later, share, random)
    new = challenge(profile, both, champion=champion, **asked)
    judges = build(profile, aside)
    ours = evaluate(Model.load(new.onnx, new.card), judges).correct
    theirs = evaluate(champion.model, judges).correct
    wins = sum(ours[e] and not theirs[e] for e in ours)
    losses = sum(theirs[e] and not ours[e] for e in ours)
    return new.decision.verdict, wins, losses, len(judges)


def main() -> None:
    """Print both tables."""
    folder = Path(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 50
    print("| hold-out | accuracy | equal rows | a tenth more rows |")
    print("| --- | --- | --- | --- |")
    for n in (20, 80, 320):
        for accuracy in (0.6, 0.8, 0.95):
            same, more = equal(n, accuracy, 100), equal(n, accuracy, 110)
            print(f"| {n} | {accuracy} | {same:.3f} | {more:.3f} |", flush=True)
    began = time.monotonic()
    for share in (FLIPPED, 0.0):
        verdicts: dict[str, int] = {}
        worse = surely = 0
        for seed in range(rounds):
            verdict, wins, losses, _ = poisoned(folder, seed, share)
            verdicts[verdict] = verdicts.get(verdict, 0) + 1
            if verdict == "promote":
                worse += losses > wins
                surely += chance(losses, wins) <= 0.05
            if (seed + 1) % 10 == 0 or seed + 1 == rounds:
                seconds = time.monotonic() - began
                print(
                    f"{share:.0%} flipped, {seed + 1} rounds: {verdicts}, promoted and "
                    f"worse {worse}, surely {surely} ({seconds:.0f} s)",
                    flush=True,
                )


if __name__ == "__main__":
    main()
