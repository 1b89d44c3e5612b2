"""From raw readings to labels: an event counts if it is found and rightly named.

Events that one of the models learnt say nothing: what matches them is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.domain.overlap import match
from app.learning.compare import Comparison, Counts, compare_detections
from app.learning.heldout import n_stretches

MEASURE = "end-to-end F1"
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class TrueEvent:
    """What people say; `fresh` if no model that is compared learnt from it."""

    span: Span
    label: str
    fresh: bool


@dataclass(frozen=True, slots=True)
class Answered:
    """What a detector found, and what a model called it; None: nothing."""

    span: Span
    label: str | None


def named_stretches(
    true: Sequence[TrueEvent], found: Sequence[Answered], length: float, step: float
) -> list[Counts]:
    """Count events that were found and rightly named, stretch by stretch.

    Parameters
    ----------
    length, step : float > 0, in readings
        Of the recording, and of a stretch; the last one is the longest.

    Examples
    --------
    >>> true = [TrueEvent((0, 10), "a", True), TrueEvent((60, 70), "b", True)]
    >>> found = [Answered((0, 10), "a"), Answered((60, 70), "a")]
    >>> named_stretches(true, found, 100, 50)
    [Counts(matched=1, found=1, true=1), Counts(matched=0, found=1, true=1)]
    """
    n = n_stretches(length, step)
    counts = [[0, 0, 0] for _ in range(n)]

    def place(span: Span) -> int:
        return min(max(int(span[0] // step), 0), n - 1)

    pairs = match([one.span for one in true], [one.span for one in found])
    hit = {j: true[i] for i, j in pairs}
    for one in true:
        counts[place(one.span)][2] += one.fresh
    for j, answer in enumerate(found):
        event = hit.get(j)
        if event is None:
            counts[place(answer.span)][1] += 1
        elif event.fresh:
            counts[place(event.span)][1] += 1
            counts[place(event.span)][0] += answer.label == event.label
    return [Counts(*one) for one in counts]


def compare_named(former: Sequence[Counts], latter: Sequence[Counts]) -> Comparison:
    """Compare detector and model of one side with those of the other."""
    made = compare_detections(former, latter)

    def said(counts: Sequence[Counts]) -> str:
        right = sum(one.matched for one in counts)
        wrong = sum(one.found for one in counts) - right
        return f"{right} of {sum(one.true for one in counts)} events, and {wrong} wrong"

    reason = (
        f"{made.verdict}: over {made.n} stretches of readings the latter finds and "
        f"rightly names {said(latter)}, the former {said(former)} (p = {made.p:.3g})"
    )
    return replace(made, measure=MEASURE, reason=reason)
