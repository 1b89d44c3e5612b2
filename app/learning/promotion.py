"""Champion or challenger: the verdict, its reason and its numbers.

Both models answer the same hold-out rows, on which neither was trained.  Only rows
where exactly one is right say anything (McNemar); `wins` are the challenger's.

1. No champion: **promote** what beats the majority class, on the hold-out, or by
   cross-validation while the hold-out has fewer than `MIN_ROWS` rows.  A first model
   that learnt nothing is a **hold**.
2. Losses that chance explains with probability <= `alpha`: **reject**.
3. Wins that chance explains with probability <= `alpha`: **promote**.
4. Neither, but at least as many wins as losses, and the challenger learnt from
   a tenth more rows (`FRESHER`), or classes or devices the champion never saw, or,
   where the policy is `online`, any row that the champion never saw: **promote**.
   A model that is no worse and knows more is the better bet, and while labels are
   few, waiting for significance would mean serving yesterday's classes.  The rule
   cannot fire on equal data, so it adds nothing to the false promotions of two equal
   models, and its rate falls as labels grow: each time needs 10 % more.
   Online, every label may move the model: what is significantly worse is still
   rejected, and no step may lose more held-out events than it wins.
5. Otherwise **not enough evidence** if too few rows differ for any test to speak
   (fewer than `min_discordant`), else **hold**.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from uuid import UUID

from app.learning.evaluate import Report
from app.learning.evidence import chance

PROMOTE, HOLD, REJECT = "promote", "hold", "reject"
NOT_ENOUGH_EVIDENCE = "not_enough_evidence"

MIN_ROWS = 10
FRESHER = 10, 11


@dataclass(frozen=True, slots=True)
class Policy:
    """How much evidence a verdict needs.

    Parameters
    ----------
    alpha : float in (0, 0.5]
        Budget of false promotions, and of false rejections, per comparison.
    fresh : bool
        Whether rule 4 may promote without significance.
    online : bool
        Whether one new row is enough for rule 4.
    """

    alpha: float = 0.05
    fresh: bool = True
    online: bool = False

    @property
    def min_discordant(self) -> int:
        """Fewest one-sided wins that could be significant."""
        return math.ceil(math.log2(1 / self.alpha))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A side of the comparison: what it answered, and what it learnt from."""

    report: Report
    n_train: int
    groups: frozenset[tuple[str, str]] = frozenset()
    """(device, class) pairs among its training rows."""
    cross_validated: float | None = None
    new_rows: int = 0
    """Training rows that the other side never saw."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict with the sentence and the numbers that explain it."""

    verdict: str
    reason: str
    numbers: dict[str, float]

    @property
    def promotes(self) -> bool:
        """Whether the challenger should serve."""
        return self.verdict == PROMOTE


def decide(
    champion: Candidate | None, challenger: Candidate, policy: Policy | None = None
) -> Decision:
    """Judge a challenger; the rules are in the module's docstring.

    Only events that both reports answered are compared.
    """
    policy = policy or Policy()
    if champion is None:
        return _first(challenger)
    ours, theirs = challenger.report.correct, champion.report.correct
    events: list[UUID] = [e for e in ours if e in theirs]
    wins = sum(ours[e] and not theirs[e] for e in events)
    losses = sum(theirs[e] and not ours[e] for e in events)
    better, worse = chance(wins, losses), chance(losses, wins)
    new_groups = len(challenger.groups - champion.groups)
    n = len(events)
    numbers: dict[str, float] = {
        "n": n,
        "wins": wins,
        "losses": losses,
        "champion_accuracy": sum(theirs[e] for e in events) / n if n else 0.0,
        "challenger_accuracy": sum(ours[e] for e in events) / n if n else 0.0,
        "p_better": better,
        "p_worse": worse,
        "alpha": policy.alpha,
        "champion_n_train": champion.n_train,
        "challenger_n_train": challenger.n_train,
        "new_groups": new_groups,
    }
    score = (
        f"of {n} held-out events the challenger alone is right on {wins}, "
        f"the champion alone on {losses}"
    )
    if worse <= policy.alpha:
        return Decision(
            REJECT, f"worse: {score} (p = {worse:.3g} <= {policy.alpha:g})", numbers
        )
    if better <= policy.alpha:
        return Decision(
            PROMOTE, f"better: {score} (p = {better:.3g} <= {policy.alpha:g})", numbers
        )
    fresher = (
        FRESHER[0] * challenger.n_train >= FRESHER[1] * champion.n_train
        or new_groups > 0
        or (policy.online and challenger.new_rows > 0)
    )
    if policy.fresh and fresher and wins >= losses:
        knows = (
            f"it learnt {new_groups} device and class pairs that the champion never saw"
            if new_groups
            else f"it learnt from {challenger.n_train} rows, not {champion.n_train}, "
            f"{challenger.new_rows} of them new"
        )
        return Decision(PROMOTE, f"no worse and fresher: {score}; {knows}", numbers)
    if wins + losses < policy.min_discordant:
        return Decision(
            NOT_ENOUGH_EVIDENCE,
            f"{score}: at least {policy.min_discordant} differing answers are needed "
            f"for a verdict at {policy.alpha:g}",
            numbers,
        )
    return Decision(
        HOLD, f"no difference that counts: {score} (p = {better:.3g})", numbers
    )


def _first(challenger: Candidate) -> Decision:
    report = challenger.report
    numbers: dict[str, float] = {
        "n": report.n,
        "challenger_accuracy": report.accuracy,
        "majority": report.majority,
        "challenger_n_train": challenger.n_train,
    }
    if report.n >= MIN_ROWS:
        score = (
            f"accuracy {report.accuracy:.3f} on {report.n} held-out events, "
            f"the most frequent class alone has {report.majority:.3f}"
        )
        if report.accuracy > report.majority:
            return Decision(PROMOTE, f"first model: {score}", numbers)
        return Decision(HOLD, f"first model, but it learnt nothing: {score}", numbers)
    if challenger.cross_validated is not None:
        numbers["cross_validated"] = challenger.cross_validated
    return Decision(
        PROMOTE,
        f"first model, from {challenger.n_train} rows; {report.n} held-out events are "
        "too few to judge it, any answer is better than none",
        numbers,
    )
