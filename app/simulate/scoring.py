"""How good the events are, by the one definition of `domain.overlap`.

Counts are summed over all recordings (micro).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from app.domain import overlap
from app.simulate.recording import Truth


@dataclass(frozen=True, slots=True)
class Found:
    """An event as the service reported it, in seconds of the recording."""

    start: float
    end: float
    label: str | None = None
    model_version: int | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """What came out, as counts; the rates follow from them.

    Parameters
    ----------
    found, true, matched : int
        Events reported, events that were there, pairs.
    predicted, right : int
        Matched events with a prediction, and with the right one.
    onset_errors : tuple of float, seconds, found minus true
    seconds : float
        Length of what was played.
    """

    found: int = 0
    true: int = 0
    matched: int = 0
    predicted: int = 0
    right: int = 0
    onset_errors: tuple[float, ...] = field(default=(), repr=False)
    seconds: float = 0.0

    def __add__(self, other: Score) -> Score:
        return Score(
            self.found + other.found,
            self.true + other.true,
            self.matched + other.matched,
            self.predicted + other.predicted,
            self.right + other.right,
            self.onset_errors + other.onset_errors,
            self.seconds + other.seconds,
        )

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall of the detection, 0..1."""
        return 2 * self.matched / max(self.found + self.true, 1)

    @property
    def end_to_end_f1(self) -> float:
        """The same, where a match counts only with the right label, 0..1."""
        return 2 * self.right / max(self.found + self.true, 1)

    @property
    def accuracy(self) -> float:
        """Share of right labels among matched events with a prediction, 0..1."""
        return self.right / self.predicted if self.predicted else float("nan")

    @property
    def onset_error_seconds(self) -> float:
        """Median of the absolute onset error."""
        if not self.onset_errors:
            return float("nan")
        return float(np.median(np.abs(self.onset_errors)))

    @property
    def false_alarms_per_hour(self) -> float:
        """Events that match nothing, by hour of what was played."""
        if self.seconds <= 0:
            return float("nan")
        return (self.found - self.matched) / (self.seconds / 3600)


def match(
    true: Sequence[Truth], found: Sequence[Found], iou: float = 0.5
) -> list[tuple[int, int]]:
    """Pair true and found events one to one; indices into both.

    Examples
    --------
    >>> match([Truth(0, 10, "a")], [Found(1, 10), Found(11, 12)])
    [(0, 0)]
    """
    return overlap.match(
        [(x.start, x.end) for x in true], [(x.start, x.end) for x in found], iou
    )


def score(
    true: Sequence[Truth],
    found: Sequence[Found],
    seconds: float,
    iou: float = 0.5,
) -> Score:
    """Score one recording of the given length in seconds."""
    pairs = match(true, found, iou)
    labels = [(true[i].label, found[j].label) for i, j in pairs]
    return Score(
        found=len(found),
        true=len(true),
        matched=len(pairs),
        predicted=sum(said is not None for _, said in labels),
        right=sum(said == label for label, said in labels),
        onset_errors=tuple(found[j].start - true[i].start for i, j in pairs),
        seconds=seconds,
    )


def total(scores: Iterable[Score]) -> Score:
    """Sum of scores (micro average)."""
    return sum(scores, Score())


def by_version(
    true: Sequence[Truth],
    found: Sequence[Found],
    seconds: float,
    iou: float = 0.5,
) -> Mapping[int | None, Score]:
    """Share one recording's score out among the versions that predicted.

    A true event that was missed counts against the version of the event found
    before it (the first one's, if none was); so do the seconds.  None stands for
    events without a prediction.  The shares sum to `score` of the whole.
    """
    found = sorted(found, key=lambda f: f.start)
    paired = {i: j for i, j in match(true, found, iou)}
    starts = [f.start for f in found]
    shares: dict[int | None, tuple[list[Truth], list[Found], float]] = {}
    for k, event in enumerate(found):
        share = shares.setdefault(event.model_version, ([], [], 0.0))
        share[1].append(event)
        ends = starts[k + 1] if k + 1 < len(found) else seconds
        begins = starts[k] if k else 0.0
        shares[event.model_version] = (share[0], share[1], share[2] + ends - begins)
    for i, event_true in enumerate(true):
        j = paired.get(i)
        if j is None and found:
            j = max(int(np.searchsorted(starts, event_true.start, "right")) - 1, 0)
        version = None if j is None else found[j].model_version
        shares.setdefault(version, ([], [], 0.0))[0].append(event_true)
    return {
        version: score(mine, theirs, length, iou)
        for version, (mine, theirs, length) in shares.items()
    }
