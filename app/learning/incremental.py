"""New rows -> the parent estimator, a step further; or from the start where it must.

``sgd`` remembers: beside the new rows go replayed old ones, so that no class and no
device is forgotten.  ``adaptive`` follows: its linear part takes few steps, beside the
newest rows only, and half of its answer is a forest of the newest rows.  Where every
event is one reading it looks at the values alone (`columns`).
"""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from app import features
from app.errors import ArtefactError
from app.learning.catalogue import EstimatorSpec, incremental_spec
from app.learning.columns import Columns, single_readings
from app.learning.dataset import Dataset
from app.learning.estimators import (
    MAX_MODES,
    Average,
    Modes,
    find_modes,
    make,
    recent_trees,
    weigh,
)
from app.learning.novelty import find_space
from app.learning.train import Progress, Trained, require_classes

EPOCHS, STEPS = 60, 30_000
"""Passes over the rows when an incremental estimator starts; fewer when there are many,
so that it takes no more steps than these, but at least `NEW_EPOCHS` passes."""
REPLAY = 2000
"""Old rows kept beside an incremental estimator, so that it forgets no class."""
NEW_EPOCHS = 15
RECENT, SCALED = 1000, 2000
"""Newest rows that ``adaptive`` grows its forest from, and takes its scale from."""
FOLLOW_EPOCHS, FOLLOW_STEP = 3, 1.0
"""How far ``adaptive`` goes: passes over new rows, and what one row may move its own
logit by, whatever the number of features."""
SPACED = 1000
"""Newest rows from which everything else is told to be far."""
UNSEEN = -3.0
"""Where the intercept of a new mode begins: one in twenty, until rows say more."""
STATE_VERSION = 1


def train_incremental(
    parent_state: bytes | None,
    rows: Dataset,
    estimator: str = "auto",
    *,
    seed: int,
    progress: Progress,
    online: bool = False,
    feature_set: str = features.PLAIN,
) -> Trained:
    """Go on learning from the rows that the parent has not seen.

    `rows` are all training rows; those the parent learnt are told by their event id.
    With the new rows an even share of old ones is replayed.  The estimator begins
    anew, from all rows, when there is no parent, when an old row changed its label,
    when it is to read another `feature_set`, or when it would tell more than
    `MAX_MODES` apart.  Modes that are new it grows into.

    Raises
    ------
    CannotLearn
        If the estimator cannot, or there are fewer than two classes.
    ArtefactError
        If the parent's state is not readable.
    """
    spec = incremental_spec(estimator, online=online)
    follows = spec.name == "adaptive"
    require_classes(rows)
    rows = replace(rows, features=rows.table(feature_set))
    newest = rows.take(range(max(0, len(rows) - SPACED), len(rows)))
    modes, width = find_modes(rows, spec.modes), rows.features.shape[1]
    with threadpool_limits(1):
        space = find_space(newest)
        parent = _read(parent_state) if parent_state is not None else None
        single = single_readings(rows) if follows else None
        why = _why_restart(parent, spec, rows, modes, single)
        if parent is not None and not why:
            single = parent["columns"]
        if single is not None:
            rows = replace(rows, features=rows.features[:, single])
        if parent is None or why:
            progress(f"fitting {spec.name} to {len(rows)} rows", 0.3)
            fitted = make(spec, seed, weigh(rows, modes), modes)
            new = np.arange(len(rows))
            epochs = max(NEW_EPOCHS, min(EPOCHS, STEPS // len(rows)))
        else:
            modes, fitted = _grown(parent["modes"], modes), parent["fitted"]
            _grow(fitted.named_steps["linear"], len(modes.names))
            known = parent["seen"]
            new = np.array(
                [i for i, e in enumerate(rows.events) if e.hex not in known], dtype=int
            )
            progress(f"{spec.name} goes on with {len(new)} new rows", 0.3)
            epochs = NEW_EPOCHS
        if follows:
            fitted.named_steps["linear"].eta0 = FOLLOW_STEP / rows.features.shape[1]
            fitted.named_steps["scale"].fit(rows.features[-SCALED:].astype(np.float64))
            epochs = FOLLOW_EPOCHS if parent is not None and not why else epochs
        first = parent is None or bool(why)
        _advance(fitted, rows, new, modes, seed, epochs, first=first, follows=follows)
        state = _write(spec, fitted, modes, rows, single, width)
        if follows:
            fitted = _with_trees(fitted, rows, modes, seed)
        if single is not None:
            fitted = Columns(single, fitted)
    return Trained(
        spec.name,
        fitted,
        modes,
        seed,
        len(rows),
        {},
        state,
        why,
        feature_set=feature_set,
        space=space,
    )


def _with_trees(linear: Any, rows: Dataset, modes: Modes, seed: int) -> Average:
    newest = rows.take(range(max(0, len(rows) - RECENT), len(rows)))
    target = modes.numbers(newest)
    weights = {i: w for i, w in weigh(newest, modes).items() if i in set(target)}
    counts = np.array(newest.weights) if newest.weights else None
    trees = recent_trees(seed, weights).fit(newest.features, target, counts)
    return Average([linear, trees], len(modes.names))


def _why_restart(
    parent: dict[str, Any] | None,
    spec: EstimatorSpec,
    rows: Dataset,
    modes: Modes,
    single: NDArray[np.int64] | None,
) -> str:
    if parent is None:
        return "no parent to go on from"
    if parent["name"] != spec.name:
        return f"the parent is {parent['name']}, not {spec.name}"
    if parent["width"] != rows.features.shape[1]:
        return "the feature set changed"
    if parent["columns"] is not None and single is None:
        return "events are no longer one reading each"
    total = len(_grown(parent["modes"], modes).names)
    if len(parent["modes"].names) < min(3, total) or total > MAX_MODES:
        return f"new classes or devices: {total} modes cannot be grown into"
    seen = parent["seen"]
    pairs = zip(rows.events, rows.labels, strict=True)
    changed = sum(e.hex in seen and seen[e.hex] != y for e, y in pairs)
    return f"{changed} labels were corrected" if changed else ""


def _grown(old: Modes, new: Modes) -> Modes:
    """Return the modes of both, the old ones first and where they were."""
    fresh = sorted(set(new.names) - set(old.names))
    classes = sorted({*old.classes, *new.classes})
    return Modes((*old.names, *fresh), tuple(classes))


def _grow(linear: Any, n_modes: int) -> None:
    """Give a fitted linear classifier further modes, of which it knows nothing yet.

    One against the rest: a mode is a row of coefficients.  The average over steps goes
    on from what it is, and begins anew: the new rows count in it from now on.  The
    private names are those of scikit-learn 1.9.
    """
    missing = n_modes - len(linear.classes_)
    if missing == 0:
        return
    coef = np.pad(linear.coef_, ((0, missing), (0, 0)))
    intercept = np.pad(linear.intercept_, (0, missing), constant_values=UNSEEN)
    linear.coef_ = linear._standard_coef = coef
    linear.intercept_ = linear._standard_intercept = intercept
    if linear.average:
        linear._average_coef, linear._average_intercept = coef * 0.0, intercept * 0.0
        linear.t_ = 1.0
    linear.classes_ = np.arange(n_modes)


def _advance(
    fitted: Any,
    rows: Dataset,
    new: NDArray[np.int64],
    modes: Modes,
    seed: int,
    epochs: int,
    *,
    first: bool,
    follows: bool,
) -> None:
    """Run stochastic gradient steps over new rows mixed with old ones."""
    if not len(new):
        return
    scale, linear = fitted.named_steps["scale"], fitted.named_steps["linear"]
    if not follows:
        scale.partial_fit(rows.features[new].astype(np.float64))
    random = np.random.default_rng(seed + len(rows))
    old = np.setdiff1d(np.arange(len(rows)), new)[-(RECENT if follows else REPLAY) :]
    times = 1 if follows else 3
    target = modes.numbers(rows)
    by_mode = weigh(rows, modes)
    weight = np.array([by_mode[int(m)] for m in target])
    if rows.weights:
        weight *= np.array(rows.weights)
    table = fitted[:-1].transform(rows.features)
    for _ in range(epochs):
        replayed = random.choice(old, min(len(old), times * len(new)), replace=False)
        batch = random.permutation(np.concatenate((new, replayed)))
        every = np.arange(len(modes.names)) if first else None
        linear.partial_fit(
            table[batch], target[batch], classes=every, sample_weight=weight[batch]
        )
        first = False


def _write(
    spec: EstimatorSpec,
    fitted: Any,
    modes: Modes,
    rows: Dataset,
    columns: NDArray[np.int64] | None,
    width: int,
) -> bytes:
    out = io.BytesIO()
    seen = {e.hex: y for e, y in zip(rows.events, rows.labels, strict=True)}
    joblib.dump(
        {
            "version": STATE_VERSION,
            "name": spec.name,
            "fitted": fitted,
            "modes": modes,
            "seen": seen,
            "width": width,
            "columns": columns,
        },
        out,
    )
    return out.getvalue()


def _read(state: bytes) -> dict[str, Any]:
    """Read a parent's state: bytes that the caller verified by their digest."""
    try:
        parent = joblib.load(io.BytesIO(state))
        if parent["version"] != STATE_VERSION:
            raise ArtefactError(f"training state of version {parent['version']}")
        parent.setdefault("columns", None)  # of states that are older than this
    except ArtefactError:
        raise
    except Exception as error:
        raise ArtefactError(f"training state is not readable: {error}") from error
    return dict(parent)
