"""Champion or challenger: the verdict, its reason and its numbers.

Both models answer the same hold-out rows, on which neither was trained.  Only rows
where exactly one is right say anything (McNemar); `wins` are the challenger's.

1. No champion: **promote** what beats the majority class, on the hold-out, or by
   cross-validation while the hold-out has fewer than `MIN_ROWS` rows.  A first model
   that learnt nothing is a **hold**.
2. Worse on the gold set, more of it lost than won: **reject**.  Gold was chosen and
   labelled with care, is never trained on, and needs no significance.
3. Losses that chance explains with probability <= `alpha`: **reject**.
4. Losses on a class or a device that the champion knows, which chance explains with
   probability <= `alpha` (shared among those that could show it): **hold**, whatever
   is won elsewhere (`floors`).
5. Wins that chance explains with probability <= `budget`: **promote**, it is better.
   The k-th challenger since a champion was last found better has a budget of
   ``alpha / (k (k + 1))``; the sum over all k is `alpha`, so of an endless sequence of
   equally good challengers any is ever promoted with a probability of at most `alpha`.
6. **refresh**: it is not shown to be better, but knows more, and loses no more held-
   out events than it wins. It knows more if it learnt from a tenth more rows
   (`FRESHER`); then chance must also explain with probability <= `alpha` that a model
   worse by `margin` did as well (non-inferiority, Tango 1998). Here new rows count,
   too: the champion answers them as it serves, the challenger by models that were
   fitted without them. People choose what they label by what the champion is unsure
   of, so new rows are no proof of being better, but they show a drift that a hold-out
   of the past does not. Without the proof, which few labels cannot give, it needs
   half as many rows again (`MUCH_FRESHER`), classes or devices that the champion
   never saw, or, where the policy is `online`, any row that the champion never saw. A
   refresh never loses held-out events on balance, so a chain of them cannot creep
   down on a hold-out.
7. Otherwise **not enough evidence** if too few rows differ for any test to speak
   (fewer than `min_discordant`), else **hold**.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from app.learning.evaluate import Report
from app.learning.evidence import chance, chance_if_worse
from app.learning.floors import Floor, broken, strata_of

PROMOTE, REFRESH, HOLD, REJECT = "promote", "refresh", "hold", "reject"
NOT_ENOUGH_EVIDENCE = "not_enough_evidence"

MIN_ROWS = 10
FRESHER, MUCH_FRESHER = (10, 11), (2, 3)
"""How many of the challenger's rows must be at least how many of the champion's."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How much evidence a verdict needs.

    Parameters
    ----------
    alpha : float in (0, 0.5]
        Probability that any of an endless sequence of equally good challengers is
        promoted as better; and that of a false rejection, per comparison.
    margin : float in [0, 1)
        By how much less accuracy a refresh may not be; 0: rule 6 needs more knowledge.
    online : bool
        Whether one new row is enough for rule 6.
    looks : int > 0
        Which challenger this is since a champion was last found better.
    """

    alpha: float = 0.05
    margin: float = 0.05
    online: bool = False
    looks: int = 1

    @property
    def budget(self) -> float:
        """What this comparison may spend of `alpha`."""
        return self.alpha / (self.looks * (self.looks + 1))

    @property
    def min_discordant(self) -> int:
        """Fewest one-sided wins that could be significant."""
        return math.ceil(math.log2(1 / self.budget))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A side of the comparison: what it answered, and what it learnt from.

    Parameters
    ----------
    groups : set of (device, class) among its training rows
    new_rows : int
        Training rows that the other side never saw.
    gold : Report or None
        What it answered on the gold set.
    fresh : mapping of event to whether it was right
        Of training rows that the champion never saw, by a model that did not either.
    """

    report: Report
    n_train: int
    groups: frozenset[tuple[str, str]] = frozenset()
    cross_validated: float | None = None
    new_rows: int = 0
    gold: Report | None = None
    fresh: Mapping[UUID, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict with the sentence and the numbers that explain it.

    Parameters
    ----------
    floors : tuple of Floor
        Classes and devices on which the challenger loses, the worst first.
    """

    verdict: str
    reason: str
    numbers: dict[str, float]
    floors: tuple[Floor, ...] = field(default=())

    @property
    def promotes(self) -> bool:
        """Whether the challenger should serve."""
        return self.verdict in (PROMOTE, REFRESH)


def decide(
    champion: Candidate | None,
    challenger: Candidate,
    policy: Policy | None = None,
    where: Mapping[UUID, tuple[str, str]] | None = None,
) -> Decision:
    """Judge a challenger; the rules are in the module's docstring.

    Only events that both reports answered are compared.

    Parameters
    ----------
    where : mapping of event to (device, class), optional
        Of the held-out events, for rule 4.
    """
    policy = policy or Policy()
    if champion is None:
        return _first(challenger)
    return _Comparison(champion, challenger, policy, where or {}).decide()


@dataclass(frozen=True, slots=True)
class _Comparison:
    champion: Candidate
    challenger: Candidate
    policy: Policy
    where: Mapping[UUID, tuple[str, str]]

    def decide(self) -> Decision:
        numbers = self._numbers()
        wins, losses = int(numbers["wins"]), int(numbers["losses"])
        score = (
            f"of {numbers['n']:.0f} held-out events the challenger alone is right on "
            f"{wins}, the champion alone on {losses}"
        )
        alpha, budget = self.policy.alpha, self.policy.budget
        if numbers.get("gold_losses", 0) > numbers.get("gold_wins", 0):
            return Decision(REJECT, f"worse on gold: {self._on_gold(numbers)}", numbers)
        if numbers["p_worse"] <= alpha:
            told = f"worse: {score} (p = {numbers['p_worse']:.3g} <= {alpha:g})"
            return Decision(REJECT, told, numbers)
        lost = self._floors()
        if lost:
            told = "; ".join(floor.sentence for floor in lost)
            return Decision(HOLD, f"it loses what is known: {told}", numbers, lost)
        if numbers["p_better"] <= budget:
            told = f"better: {score} (p = {numbers['p_better']:.3g} <= {budget:.3g})"
            return Decision(PROMOTE, told, numbers)
        why = self._fresher(numbers) if wins >= losses else ""
        if why:
            return Decision(REFRESH, f"no worse and fresher: {score}; {why}", numbers)
        if wins + losses < self.policy.min_discordant:
            told = (
                f"{score}: at least {self.policy.min_discordant} differing answers are "
                f"needed for a verdict at {budget:.3g}"
            )
            return Decision(NOT_ENOUGH_EVIDENCE, told, numbers)
        told = f"no difference that counts: {score} (p = {numbers['p_better']:.3g})"
        return Decision(HOLD, told, numbers)

    def _numbers(self) -> dict[str, float]:
        ours, theirs = self.challenger.report.correct, self.champion.report.correct
        both = [e for e in ours if e in theirs]
        n = len(both)
        _, wins, losses = _paired(ours, theirs)
        fresh = _paired(self.challenger.fresh, self.champion.fresh)
        pooled = wins + fresh[1], losses + fresh[2], n + fresh[0]
        numbers: dict[str, float] = {
            "n": n,
            "wins": wins,
            "losses": losses,
            "champion_accuracy": sum(theirs[e] for e in both) / n if n else 0.0,
            "challenger_accuracy": sum(ours[e] for e in both) / n if n else 0.0,
            "p_better": chance(wins, losses),
            "p_worse": chance(losses, wins),
            "p_if_worse": chance_if_worse(*pooled, self.policy.margin),
            "fresh_n": fresh[0],
            "fresh_wins": fresh[1],
            "fresh_losses": fresh[2],
            "alpha": self.policy.alpha,
            "budget": self.policy.budget,
            "margin": self.policy.margin,
            "looks": self.policy.looks,
            "champion_n_train": self.champion.n_train,
            "challenger_n_train": self.challenger.n_train,
            "new_groups": len(self.challenger.groups - self.champion.groups),
        }
        return numbers | self._gold()

    def _gold(self) -> dict[str, float]:
        if self.challenger.gold is None or self.champion.gold is None:
            return {}
        ours, theirs = self.challenger.gold.correct, self.champion.gold.correct
        n, wins, losses = _paired(ours, theirs)
        return {"gold_n": n, "gold_wins": wins, "gold_losses": losses}

    def _on_gold(self, numbers: Mapping[str, float]) -> str:
        return (
            f"of {numbers['gold_n']:.0f} gold events the challenger alone is right on "
            f"{numbers['gold_wins']:.0f}, the champion alone on "
            f"{numbers['gold_losses']:.0f}"
        )

    def _floors(self) -> tuple[Floor, ...]:
        known = strata_of(self.champion.groups)
        ours, theirs = self.challenger.report.correct, self.champion.report.correct
        return broken(ours, theirs, self.where, known, self.policy.alpha)

    def _fresher(self, numbers: Mapping[str, float]) -> str:
        """Say why a challenger that is not shown to be better should serve, or ""."""
        mine, others = self.challenger.n_train, self.champion.n_train
        if numbers["new_groups"]:
            return (
                f"it learnt {numbers['new_groups']:.0f} device and class pairs that "
                "the champion never saw"
            )
        knows = (
            f"it learnt from {mine} rows, not {others}, "
            f"{self.challenger.new_rows} of them new"
        )
        if self.policy.online and self.challenger.new_rows > 0:
            return knows
        if MUCH_FRESHER[0] * mine >= MUCH_FRESHER[1] * others:
            return knows
        p, margin = numbers["p_if_worse"], self.policy.margin
        if FRESHER[0] * mine >= FRESHER[1] * others and p <= self.policy.alpha:
            new = (
                f"of {numbers['fresh_n']:.0f} new rows {numbers['fresh_wins']:.0f} "
                f"against {numbers['fresh_losses']:.0f}"
            )
            return f"{knows}; {new}, it is not worse by {margin:g} (p = {p:.3g})"
        return ""


def _paired(
    ours: Mapping[UUID, bool], theirs: Mapping[UUID, bool]
) -> tuple[int, int, int]:
    """Return (events of both, right by `ours` alone, right by `theirs` alone)."""
    both = [e for e in ours if e in theirs]
    return (
        len(both),
        sum(ours[e] and not theirs[e] for e in both),
        sum(theirs[e] and not ours[e] for e in both),
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
        score = f"accuracy {report.accuracy:.3f} on {report.n} held-out events, "
        score += f"the most frequent class alone has {report.majority:.3f}"
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
