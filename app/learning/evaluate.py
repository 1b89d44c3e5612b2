"""How good a model is on rows that it was not trained on: the report of a version."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

import numpy as np

from app.domain import FloatArray, Json
from app.learning.dataset import Dataset
from app.learning.least import evidence
from app.learning.model import Model

CALIBRATION_BINS = 10
FALSE_REJECTION = 0.05
"""Share of right answers that may be flagged ``unknown``."""
MIN_CALIBRATION_ROWS = 20


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One class: shares in [0, 1]; `n` true rows.  NaN-free: 0 where undefined."""

    precision: float
    recall: float
    f1: float
    n: int


@dataclass(frozen=True, slots=True)
class Report:
    """A model's answers on labelled rows.

    Parameters
    ----------
    n : int
        Rows judged; everything else is 0 when it is 0.
    accuracy, macro_f1 : float in [0, 1]
        `macro_f1` averages over the classes that occur.
    majority : float in [0, 1]
        Accuracy of always saying the most frequent class of the rows.
    brier : float in [0, 2]
        Mean squared distance of the probabilities from the truth.
    ece : float in [0, 1]
        Expected calibration error over ten bins of the best class's probability.
    classes : classes of the model and of the rows, sorted
    per_class : score of every class
    confusion : rows of truth, columns of answer, in the order of `classes`
    per_device : (accuracy, rows) of every device
    correct : whether the best class was right, per event
    rejected : share of the right answers that was called unknown
    least : what the demands on single classes take away of right and wrong answers
    """

    n: int
    accuracy: float
    macro_f1: float
    majority: float
    brier: float
    ece: float
    classes: tuple[str, ...]
    per_class: dict[str, ClassScore]
    confusion: tuple[tuple[int, ...], ...]
    per_device: dict[str, tuple[float, int]]
    correct: dict[UUID, bool] = field(repr=False)
    unknown_below: float = 0.0
    rejected: float = 0.0
    least: dict[str, Json] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """Return plain JSON, without the row by row answers."""
        return {
            "n": self.n,
            "accuracy": self.accuracy,
            "macro_f1": self.macro_f1,
            "majority": self.majority,
            "brier": self.brier,
            "ece": self.ece,
            "classes": list(self.classes),
            "per_class": {
                name: {
                    "precision": s.precision,
                    "recall": s.recall,
                    "f1": s.f1,
                    "n": s.n,
                }
                for name, s in self.per_class.items()
            },
            "confusion": [list(row) for row in self.confusion],
            "per_device": {
                d: {"accuracy": a, "n": n} for d, (a, n) in self.per_device.items()
            },
            "unknown_below": self.unknown_below,
            "rejected": self.rejected,
            "least": self.least,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What a model said of rows, whatever their labels are: metrics come later.

    Parameters
    ----------
    classes : tuple of str
        In the order of `probabilities`.
    events, devices : tuple, one of each per row
    probabilities : float64 array (n_rows, n_classes)
    unknown : tuple of bool, one per row
    """

    classes: tuple[str, ...]
    events: tuple[UUID, ...]
    devices: tuple[str, ...]
    probabilities: FloatArray
    unknown: tuple[bool, ...]

    def to_json(self) -> dict[str, object]:
        """Return plain JSON, exact to the last bit; `from_json` reads it."""
        rows = zip(
            self.events,
            self.devices,
            self.probabilities.tolist(),
            self.unknown,
            strict=True,
        )
        return {
            "classes": list(self.classes),
            "rows": [[str(event), *rest] for event, *rest in rows],
        }

    @classmethod
    def from_json(cls, data: Json) -> Answers:
        """Read what `to_json` wrote."""
        rows, classes = data["rows"], tuple(data["classes"])
        said = np.array([row[2] for row in rows], dtype=np.float64)
        return cls(
            classes,
            tuple(UUID(row[0]) for row in rows),
            tuple(row[1] for row in rows),
            said.reshape(len(rows), len(classes)),
            tuple(bool(row[3]) for row in rows),
        )


def evaluate(model: Model, rows: Dataset) -> Report:
    """Score what the served model says of every row."""
    return examine(model, rows)[1]


def examine(model: Model, rows: Dataset) -> tuple[Answers, Report]:
    """Ask the served model about every row, one by one, as the live path does."""
    vectors = rows.table(model.feature_set)
    said = [model.predict(row) for row in vectors]
    table = np.array([p.probabilities for p in said], dtype=np.float64)
    answers = Answers(
        model.classes,
        rows.events,
        rows.devices,
        table.reshape(len(said), len(model.classes)),
        tuple(p.unknown for p in said),
    )
    report = score(answers, dict(zip(rows.events, rows.labels, strict=True)))
    least = evidence(model.card.least, said, rows.labels, list(vectors), model.rate_hz)
    return answers, replace(report, least=least)


def score(answers: Answers, truth: Mapping[UUID, str]) -> Report:
    """Score answers by labels, whatever these are by now; rows without are left out.

    Examples
    --------
    >>> said = Answers(("a", "b"), (UUID(int=1),), ("d",), np.array([[0.9, 0.1]]),
    ...                (False,))
    >>> score(said, {UUID(int=1): "a"}).accuracy, score(said, {}).n
    (1.0, 0)
    """
    chosen = [i for i, event in enumerate(answers.events) if event in truth]
    events = [answers.events[i] for i in chosen]
    labels = [truth[event] for event in events]
    first = answers.probabilities[chosen]
    best = [answers.classes[k] for k in first.argmax(axis=1)] if chosen else []
    classes = tuple(sorted({*answers.classes, *labels}))
    place = {name: i for i, name in enumerate(classes)}
    table = np.zeros((len(classes), len(classes)), dtype=np.int64)
    for true, label in zip(labels, best, strict=True):
        table[place[true], place[label]] += 1
    per_class = {name: _score(table, i) for i, name in enumerate(classes)}
    present = [s for s in per_class.values() if s.n]
    right = np.array([a == b for a, b in zip(best, labels, strict=True)], dtype=bool)
    probabilities = np.zeros((len(chosen), len(classes)))
    probabilities[:, [place[name] for name in answers.classes]] = first
    truth_at = np.array([place[y] for y in labels], dtype=np.int64)
    n = len(chosen)
    top = probabilities.max(axis=1) if n else np.empty(0)
    unknown = [answers.unknown[i] for i in chosen]
    return Report(
        n=n,
        accuracy=float(right.mean()) if n else 0.0,
        macro_f1=float(np.mean([s.f1 for s in present])) if n else 0.0,
        majority=float(table.sum(axis=1).max() / n) if n else 0.0,
        brier=_brier(probabilities, truth_at),
        ece=_calibration_error(top, right),
        classes=classes,
        per_class=per_class,
        confusion=tuple(tuple(int(v) for v in row) for row in table),
        per_device=_by_device([answers.devices[i] for i in chosen], right),
        correct=dict(zip(events, (bool(r) for r in right), strict=True)),
        unknown_below=_unknown_below(top[right]) if n else 0.0,
        rejected=_share([u for u, r in zip(unknown, right, strict=True) if r]),
    )


@dataclass(frozen=True, slots=True)
class Mistake:
    """An event that was named wrongly, and how sure the model was of it."""

    event: UUID
    label: str
    said: str
    probability: float
    unknown: bool


def mistakes(answers: Answers, truth: Mapping[UUID, str], most: int) -> list[Mistake]:
    """Return wrong answers, the surest first: what to look at, or to label anew.

    Examples
    --------
    >>> said = Answers(("a", "b"), (UUID(int=1), UUID(int=2)), ("d", "d"),
    ...                np.array([[0.9, 0.1], [0.6, 0.4]]), (False, True))
    >>> found = mistakes(said, {UUID(int=1): "b", UUID(int=2): "b"}, 9)
    >>> [(one.said, one.probability, one.unknown) for one in found]
    [('a', 0.9, False), ('a', 0.6, True)]
    """
    found = []
    for event, row, unknown in zip(
        answers.events, answers.probabilities, answers.unknown, strict=True
    ):
        best = int(row.argmax())
        said, label = answers.classes[best], truth.get(event)
        if label is not None and said != label:
            found.append(Mistake(event, label, said, float(row[best]), unknown))
    found.sort(key=lambda one: (-one.probability, one.event.bytes))
    return found[:most]


def report_from_json(data: Json) -> Report:
    """Read the numbers that `Report.to_json` wrote; who was right is not among them."""
    return Report(
        n=int(data["n"]),
        accuracy=float(data["accuracy"]),
        macro_f1=float(data["macro_f1"]),
        majority=float(data["majority"]),
        brier=float(data["brier"]),
        ece=float(data["ece"]),
        classes=tuple(data["classes"]),
        per_class={k: ClassScore(**v) for k, v in data["per_class"].items()},
        confusion=tuple(tuple(row) for row in data["confusion"]),
        per_device={k: (v["accuracy"], v["n"]) for k, v in data["per_device"].items()},
        correct={},
        unknown_below=float(data["unknown_below"]),
        rejected=float(data.get("rejected", 0.0)),
        least=dict(data.get("least", {})),
    )


def _share(said: Sequence[bool]) -> float:
    return sum(said) / len(said) if said else 0.0


def _score(
    table: np.ndarray[tuple[int, int], np.dtype[np.int64]], i: int
) -> ClassScore:
    hit, true, said = int(table[i, i]), int(table[i].sum()), int(table[:, i].sum())
    precision = hit / said if said else 0.0
    recall = hit / true if true else 0.0
    f1 = 2 * hit / (true + said) if true + said else 0.0
    return ClassScore(precision, recall, f1, true)


def _brier(
    probabilities: FloatArray, truth: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> float:
    if not len(truth):
        return 0.0
    target = np.zeros_like(probabilities)
    target[np.arange(len(truth)), truth] = 1.0
    return float(((probabilities - target) ** 2).sum(axis=1).mean())


def _calibration_error(
    top: FloatArray, right: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> float:
    """Mean over bins of |share right - mean probability| (Guo et al., 2017)."""
    bins = np.minimum((top * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gaps = [
        abs(float(right[bins == b].sum()) - float(top[bins == b].sum()))
        for b in range(CALIBRATION_BINS)
    ]
    return sum(gaps) / len(top) if len(top) else 0.0


def _by_device(
    devices: Sequence[str], right: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> dict[str, tuple[float, int]]:
    out = {}
    for device in sorted(set(devices)):
        mine = right[[d == device for d in devices]]
        out[device] = (float(mine.mean()), len(mine))
    return out


def _unknown_below(right: FloatArray) -> float:
    """Threshold that rejects at most `FALSE_REJECTION` of right answers; 0 if too few.

    The conformal rank: of n + 1 exchangeable right answers, at most
    ``floor((n + 1) * rate)`` fall below it.
    """
    rank = math.floor((len(right) + 1) * FALSE_REJECTION)
    if len(right) < MIN_CALIBRATION_ROWS or rank < 1:
        return 0.0
    return float(np.sort(right)[rank - 1])
