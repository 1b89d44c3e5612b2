"""Detectors learn where events begin and end, from what people said.

    held out   every device's recordings are scored by models that never saw them
               (with one device: every recording's; with one recording: every quarter's)
    chosen     the mixture, `change` and `lean` that find most of those events
    judged     on each held-out part with what was chosen on the other parts, beside
               the present detector on the same readings
    fitted     once more, on everything

Ticks of events that nobody labelled say nothing; those of events that are called
nothing, and those of no event, say that there is none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from app.detection import build, ticks
from app.detection.scored import joined
from app.detection.settings import COMMON
from app.domain import FloatArray, Json
from app.domain.overlap import match
from app.errors import CannotLearn
from app.learning.compare import Comparison, Counts, compare_detections, stretches
from app.learning.marked import Course, Marked, Part, grouped, sure, true_spans
from app.learning.scorer import LEANING, MIXED, MIXTURES, PLAIN, TREES, Members, learn

Report = Callable[[str, float], None]

CHANGES = (2.0, 4.0, 6.0, 9.0, 13.0)
LEANS = (-0.6, -0.3, 0.0, 0.3, 0.6)
SURE_ERRORS = 1.5
"""Standard errors of an event F1 that a choice must be better than the usual one."""
MANY_EVENTS = 200
"""From so many on, trees have seen enough to be trusted more."""
USUAL = (2, 2)
"""Indices of what is taken where nothing can be chosen."""
MIN_SECONDS = 0.5
MOST_FOLDS = 4
QUARTERS = 4
APART = ticks.KEPT
"""Ticks between what is learnt and what is held out of one recording."""
LEAST_EVENTS = 5
STRETCH_SECONDS = 300.0


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A detector that was learnt, and how it did.

    Parameters
    ----------
    settings : JSON object
        Of a detector of kind ``scored``.
    comparison : Comparison
        Of held-out recordings, with the present detector as the former.
    report : JSON object
    """

    settings: Json
    comparison: Comparison
    report: Json


def fit(
    courses: Sequence[Course],
    rate_hz: float,
    present: Json,
    *,
    seed: int,
    progress: Report,
) -> Fitted:
    """Learn a detector from recordings with labelled events.

    Parameters
    ----------
    courses : sequence of Course, all with the same channels
    rate_hz : float, readings per second
    present : complete settings of the present detector
    progress : called with a stage and the share that is done, 0..1

    Raises
    ------
    CannotLearn
        If there are too few labelled events, or nothing beside them.
    """
    # a pool of threads costs more than it gives, beside other work
    with threadpool_limits(1):
        return _fit(courses, rate_hz, present, seed=seed, progress=progress)


def _fit(
    courses: Sequence[Course],
    rate_hz: float,
    present: Json,
    *,
    seed: int,
    progress: Report,
) -> Fitted:
    told = [one for one in courses if len(one.events)]
    n_events = sum(len(one.events) for one in told)
    if n_events < LEAST_EVENTS:
        raise CannotLearn(
            f"{n_events} labelled events in recordings: a detector learns from "
            f"{LEAST_EVENTS} or more"
        )
    by, marked = grouped(told, rate_hz)
    progress("learning what is held out", 0.1)
    parts = _held_out(marked, by, seed, progress)
    progress("choosing", 0.7)
    choices = list(MIXTURES) if by != "quarter" else [PLAIN]
    tables = [_table(part, choices, rate_hz) for part in parts]
    mixture, i, j = _choose(np.sum(tables, axis=0), choices)
    progress("judging", 0.8)
    ours, theirs = _judge(parts, tables, choices, rate_hz, present)
    comparison = compare_detections(theirs, ours)
    progress("learning from everything", 0.85)
    shares = MIXTURES[mixture]
    members = _learn(marked, seed, trees=any(shares[-TREES:]))
    n_channels = told[0].values.shape[1]
    longest = max(int((o.events[:, 1] - o.events[:, 0]).max()) for o in told)
    kept = {name: float(present.get(name, COMMON[name].default)) for name in _KEPT}
    kept["max_seconds"] = max(kept["max_seconds"], 2.0 * longest / rate_hz)
    settings = {
        "kind": "scored",
        "change": CHANGES[i],
        "lean": LEANS[j],
        "min_seconds": MIN_SECONDS,
        **kept,
        **{name: present[name] for name in ("limits",) if name in present},
        "model": members.mixed(shares, n_channels).to_text(),
    }
    report = {
        "events": n_events,
        "recordings": len({(o.device, o.boot) for o in told}),
        "devices": len({o.device for o in told}),
        "hours": round(sum(len(o.values) for o in told) / rate_hz / 3600, 4),
        "held_out_by": by,
        "mixture": mixture,
        "change": CHANGES[i],
        "lean": LEANS[j],
        "comparison": comparison.to_json(),
    }
    return Fitted(settings, comparison, report)


_KEPT = ("max_seconds", "pre_seconds", "post_seconds")


def _learn(marked: Sequence[Marked], seed: int, *, trees: bool) -> Members:
    weights = np.concatenate([one.weights for one in marked])
    inside = np.concatenate([one.inside for one in marked])
    used = weights > 0.0
    if not inside[used].any() or inside[used].all():
        raise CannotLearn(
            "the recordings show no difference: there must be readings within "
            "labelled events and readings without"
        )
    features = np.concatenate([one.features for one in marked])
    return learn(features[used], inside[used], weights[used], seed, trees=trees)


def _held_out(
    marked: Sequence[Marked], by: str, seed: int, progress: Report
) -> list[Part]:
    """Score every tick by a model that never saw what it belongs to."""
    if by == "quarter":
        return _quarters(marked, seed)
    groups = sorted({one.group for one in marked})
    n = min(len(groups), MOST_FOLDS)
    parts = []
    for fold in range(n):
        progress("learning what is held out", 0.1 + 0.6 * fold / n)
        away = set(groups[fold::n])
        members = _learn([o for o in marked if o.group not in away], seed, trees=True)
        for one in marked:
            if one.group in away:
                odds = members.log_odds(one.features)
                parts.append(Part(one, fold, 0, len(odds), odds))
    return parts


def _quarters(marked: Sequence[Marked], seed: int) -> list[Part]:
    parts = []
    for one in marked:
        n = len(one.features)
        for fold in range(QUARTERS):
            first, last = fold * n // QUARTERS, (fold + 1) * n // QUARTERS
            away = np.zeros(n, bool)
            away[max(0, first - APART) : last + APART] = True
            rest = [other for other in marked if other is not one]
            rest.append(replace(one, weights=np.where(away, 0.0, one.weights)))
            members = _learn(rest, seed, trees=False)
            odds = members.log_odds(one.features[first:last])
            none = np.zeros((len(odds), TREES))
            parts.append(Part(one, fold, first, last, np.hstack([odds, none])))
    return parts


def _found(
    part: Part, mixture: str, i: int, j: int, rate_hz: float, tick: int
) -> FloatArray:
    odds = part.odds @ np.array(MIXTURES[mixture])
    spans = joined(odds, rate_hz, CHANGES[i], LEANS[j], MIN_SECONDS)
    return sure(part, spans.astype(np.float64) * tick, tick)


def _table(part: Part, choices: Sequence[str], rate_hz: float) -> FloatArray:
    """Count (matched, found, true) for every choice, (mixture, change, lean, 3)."""
    tick = ticks.tick_readings(rate_hz)
    true = true_spans(part, tick)
    table = np.zeros((len(choices), len(CHANGES), len(LEANS), 3))
    for k, i, j in np.ndindex(table.shape[:3]):
        found = _found(part, choices[k], i, j, rate_hz, tick)
        table[k, i, j] = len(match(true, found)), len(found), len(true)
    return table


def _choose(counts: FloatArray, choices: Sequence[str]) -> tuple[str, int, int]:
    """Choose by event F1, but leave what is usual only for a difference that counts.

    Few events prefer this or that by accident.  Places are compared with their
    neighbours, mixtures by their mean over places.
    """
    if len(choices) == 1:
        return choices[0], *USUAL
    n_true = float(counts[0, 0, 0, 2])
    margin = SURE_ERRORS * 0.5 / math.sqrt(max(n_true, 1.0))
    f1 = 2.0 * counts[..., 0] / np.maximum(counts[..., 1] + counts[..., 2], 1.0)
    means = f1[:, :, 1:-1].mean(axis=(1, 2))
    best = int(means.argmax())
    usual = choices.index(LEANING if n_true >= MANY_EVENTS else MIXED)
    if means[best] < means[usual] + margin:
        best = usual
    padded = np.pad(f1[best], 1, mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(padded, (3, 3)).mean(axis=(2, 3))
    place = np.unravel_index(around.argmax(), around.shape)
    if around[place] < around[USUAL] + margin:
        return choices[best], *USUAL
    return choices[best], int(place[0]), int(place[1])


def _judge(
    parts: Sequence[Part],
    tables: Sequence[FloatArray],
    choices: Sequence[str],
    rate_hz: float,
    present: Json,
) -> tuple[list[Counts], list[Counts]]:
    """Count held-out stretches, of what was chosen elsewhere and of the present."""
    tick = ticks.tick_readings(rate_hz)
    step = STRETCH_SECONDS * rate_hz
    folds = {part.fold for part in parts}
    chosen = {
        fold: _choose(
            np.sum(
                [t for p, t in zip(parts, tables, strict=True) if p.fold != fold],
                axis=0,
            ),
            choices,
        )
        for fold in folds
    }
    detected = partial(_detected, rate_hz=rate_hz, present=present)
    known: dict[int, FloatArray] = {}
    ours: list[Counts] = []
    theirs: list[Counts] = []
    for part in parts:
        course = part.marked.course
        if id(course) not in known:
            known[id(course)] = detected(course)
        length = (part.last - part.first) * tick
        true = true_spans(part, tick)
        mine = _found(part, *chosen[part.fold], rate_hz, tick)
        former = known[id(course)] - part.first * tick
        former = former[(former[:, 0] >= 0) & (former[:, 0] < length)]
        ours += stretches(true, mine, length, step)
        theirs += stretches(true, sure(part, former, tick), length, step)
    return ours, theirs


def _detected(course: Course, rate_hz: float, present: Json) -> FloatArray:
    """Run the present detector over a course."""
    detector = build(present, rate_hz, course.values.shape[1])
    spans = detector.update(course.values.astype(np.float64)) + detector.flush()
    return np.array([(s.onset, s.offset) for s in spans], np.float64).reshape(-1, 2)
