"""How often the verdict is wrong: equal models, and labels that one key poisons.

    python -m benchmarks.learning.promotions FOLDER [ROUNDS]

Coins that are right as often as they should be, of which a tenth of the answers differ,
as those of two trainings do, answer the same hold-out, 1,000 rounds each.  Equal coins:
every *promote* is a false one.  A coin that is worse by the margin: every *refresh* is
a false one.  A sequence: 50 equal challengers, one after the other, against whichever
serves, on a hold-out that grows; counted is whether any was ever promoted as better.

Poisoned: uci_emg, a third of
the rows is set aside with its true labels.  The champion learns half of the others.
Then the rest comes, labelled by a key that flips 30 % of its labels, and the whole
`challenge` decides.  A promoted model is worse if it has fewer of the rows set aside
right than the champion it replaced, and surely worse if the sign test says so at 5 %.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
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
from app.learning.promotion import PROMOTE, REFRESH, Candidate, Policy, decide
from benchmarks.learning import sets
from benchmarks.learning.quality import quiet

NULL_ROUNDS = 1000
LOOKS = 50
DIFFER = 0.1
"""Share of rows that only one of two trainings has right: 0.08-0.12 on uci_emg."""
FLIPPED = 0.3
ESTIMATOR = "lda"


def coin(right: np.ndarray, n_train: int) -> Candidate:
    """Return a side of the comparison that was right on these rows."""
    correct = {UUID(int=i): bool(r) for i, r in enumerate(right)}
    accuracy = float(right.mean())
    report = Report(len(right), accuracy, 0.0, 0.0, 0.0, 0.0, (), {}, (), {}, correct)
    return Candidate(report, n_train)


def answers(
    n: int, accuracy: float, worse: float, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Answers of a champion, and of a challenger worse by so much.

    In shares of all rows: ``DIFFER / 2 + worse / 2`` are right by the champion alone,
    ``DIFFER / 2 - worse / 2`` by the challenger alone.
    """
    theirs = random.random(n) < accuracy
    lose, win = (DIFFER + worse) / 2 / accuracy, (DIFFER - worse) / 2 / (1 - accuracy)
    return theirs, random.random(n) < np.where(theirs, 1 - lose, win)


def verdicts(
    n: int, accuracy: float, n_train: int, worse: float = 0.0, seed: int = 0
) -> Counter[str]:
    """Judge challengers with so many rows against a champion with 100."""
    random = np.random.default_rng(seed)
    said: Counter[str] = Counter()
    for _ in range(NULL_ROUNDS):
        theirs, ours = answers(n, accuracy, worse, random)
        said[decide(coin(theirs, 100), coin(ours, n_train)).verdict] += 1
    return said


def sequence(
    accuracy: float, looks: int, growth: float, random: np.random.Generator
) -> Counter[str]:
    """Equal challengers against whichever serves; training rows grow by a share."""
    said: Counter[str] = Counter()
    most = round(20 * (1 + growth) ** looks) + 20
    champion, since, n_train = random.random(most) < accuracy, 0, 100.0
    served = n_train
    for look in range(1, looks + 1):
        n_train *= 1 + growth
        n = round(20 * (1 + growth) ** look)
        lose = DIFFER / 2 / accuracy
        win = DIFFER / 2 / (1 - accuracy)
        ours = random.random(most) < np.where(champion, 1 - lose, win)
        since += 1
        got = decide(
            coin(champion[:n], round(served)),
            coin(ours[:n], round(n_train)),
            Policy(looks=since),
        )
        said[got.verdict] += 1
        if got.promotes:
            champion, served = ours, n_train
        if got.verdict == PROMOTE:
            since = 0
    return said


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
    print("hold-out, accuracy, rows; equal: promote, refresh; worse: promote, refresh")
    for n in (20, 80, 320):
        for accuracy in (0.6, 0.8, 0.95):
            for rows in (100, 110, 150):
                same = verdicts(n, accuracy, rows)
                bad = verdicts(n, accuracy, rows, Policy().margin)
                shown = [
                    f"{said[verdict] / NULL_ROUNDS:.3f}"
                    for said in (same, bad)
                    for verdict in (PROMOTE, REFRESH)
                ]
                print("|", n, "|", accuracy, "|", rows, "|", " | ".join(shown), "|")
    for growth in (0.0, 0.05, 0.1):
        random = np.random.default_rng(1)
        runs = [sequence(0.8, LOOKS, growth, random) for _ in range(NULL_ROUNDS)]
        ever = sum(run[PROMOTE] > 0 for run in runs) / NULL_ROUNDS
        refreshed = sum(run[REFRESH] for run in runs) / NULL_ROUNDS
        print(
            f"{LOOKS} equal challengers, {growth:.0%} more rows each: any promoted as "
            f"better {ever:.3f}, refreshes a sequence {refreshed:.1f}",
            flush=True,
        )
    began = time.monotonic()
    for share in (FLIPPED, 0.0):
        said: Counter[str] = Counter()
        worse = surely = 0
        for seed in range(rounds):
            verdict, wins, losses, _ = poisoned(folder, seed, share)
            said[verdict] += 1
            if verdict in (PROMOTE, REFRESH):
                worse += losses > wins
                surely += chance(losses, wins) <= 0.05
            if (seed + 1) % 10 == 0 or seed + 1 == rounds:
                seconds = time.monotonic() - began
                print(
                    f"{share:.0%} flipped, {seed + 1} rounds: {dict(said)}, serving "
                    f"and worse {worse}, surely {surely} ({seconds:.0f} s)",
                    flush=True,
                )


if __name__ == "__main__":
    main()
