"""Which estimators there are and what each can do; known without importing them.

The serving process checks requests against this and never loads scikit-learn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app import features
from app.domain import Profile
from app.errors import CannotLearn

FULL, INCREMENTAL, AUTO = "full", "incremental", "auto"
ONLINE = "online"
"""Incremental, at once with every label."""
MODES = (AUTO, FULL, INCREMENTAL, ONLINE)


@dataclass(frozen=True, slots=True)
class EstimatorSpec:
    """A kind of estimator by name.

    Parameters
    ----------
    name : str
    modes : bool
        Whether it tells the modes of a class apart (see `estimators`).
    incremental : bool
        Whether it can go on learning from new rows alone.
    feature_set : {"v1", "v2"}
        What it reads of a window.
    """

    name: str
    modes: bool = True
    incremental: bool = False
    feature_set: str = features.PLAIN


ESTIMATORS: Mapping[str, EstimatorSpec] = {
    spec.name: spec
    for spec in (
        EstimatorSpec("blend"),
        EstimatorSpec("logistic"),
        EstimatorSpec("lda"),
        EstimatorSpec("extra_trees"),
        EstimatorSpec("svm", modes=False),
        EstimatorSpec("boosting", modes=False),
        EstimatorSpec("patterns", feature_set=features.CONVOLVED),
        EstimatorSpec("sgd", incremental=True),
        EstimatorSpec("adaptive", incremental=True),
    )
}

PORTFOLIO = ("blend", "logistic", "patterns")
"""What ``auto`` chooses from, the one we trust most on new sessions first."""


def spec_of(name: str) -> EstimatorSpec:
    """Look up an estimator.

    Raises
    ------
    CannotLearn
        If there is none of this name.
    """
    if name not in ESTIMATORS:
        raise CannotLearn(
            f"estimator {name!r} is none of {AUTO}, {', '.join(sorted(ESTIMATORS))}"
        )
    return ESTIMATORS[name]


def incremental_spec(name: str, *, online: bool = False) -> EstimatorSpec:
    """Look up an estimator that is asked to learn incrementally; ``auto`` finds one.

    Online ``auto`` is the one that follows what changes, else the one that remembers.

    Raises
    ------
    CannotLearn
        If the estimator has no ``partial_fit``.
    """
    able = [s.name for s in ESTIMATORS.values() if s.incremental]
    spec = ESTIMATORS[able[-1 if online else 0]] if name == AUTO else spec_of(name)
    if not spec.incremental:
        raise CannotLearn(
            f"estimator {name!r} cannot learn incrementally (it has no partial_fit); "
            f"these can: {', '.join(able)}"
        )
    return spec


def kinds(profile: Profile, mode: str | None = None) -> tuple[str, ...]:
    """Return the kinds of challenger that a retrain makes.

    ``auto`` makes both where the profile's estimator allows, otherwise the full one;
    ``online`` makes an incremental one.

    Raises
    ------
    CannotLearn
        If there is no such estimator or mode, or incremental training is asked of an
        estimator without ``partial_fit``.
    """
    mode = profile.retrain.mode if mode is None else mode
    estimator = profile.retrain.estimator
    if mode not in MODES:
        raise CannotLearn(f"mode {mode!r} is none of {', '.join(MODES)}")
    able = estimator == AUTO or spec_of(estimator).incremental
    if mode in (INCREMENTAL, ONLINE):
        incremental_spec(estimator)
        return (INCREMENTAL,)
    return (FULL, INCREMENTAL) if mode == AUTO and able else (FULL,)
