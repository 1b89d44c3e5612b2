"""What was fitted once, fitted again by its recipe to more rows or fewer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from app.domain import Profile
from app.learning.dataset import Dataset, Manifest, Recipe
from app.learning.export import export
from app.learning.model import Model
from app.learning.train import Progress, Trained, train_full
from app.learning.weights import weights_of


def as_learnt(listed: Manifest, dataset: Dataset, known: Mapping[UUID, str]) -> Dataset:
    """Return the rows of events in `known`, with the labels and weights of then."""
    rows = dataset.take(i for i, e in enumerate(dataset.events) if e in known)
    return replace(
        rows,
        labels=tuple(known[e] for e in rows.events),
        weights=weights_of(listed.weighing, rows.events),
    )


def quiet(_: str, __: float) -> None:
    """Show no progress: what serves is not what the user waits for."""


def by_recipe(recipe: Recipe, rows: Dataset, progress: Progress = quiet) -> Trained:
    """Fit to rows what a recipe says; nothing is chosen or calibrated anew."""
    return train_full(
        rows,
        recipe.estimator,
        seed=recipe.seed,
        progress=progress,
        sharpness=recipe.sharpness,
        context=recipe.context,
    )


def fitted_again(
    served: Model, recipe: Recipe, profile: Profile, rows: Dataset
) -> Model:
    """Fit what serves by its recipe to other rows; what it demands stays the same."""
    onnx, card = export(by_recipe(recipe, rows), profile, rows)
    demands = served.card
    return Model.load(onnx, replace(card, rule=demands.rule, least=demands.least))
