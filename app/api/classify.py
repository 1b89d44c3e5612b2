"""`POST /classify`: what a model says, by the function that serves streams."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Protocol

import numpy as np
from fastapi import APIRouter, Depends, Request
from pydantic import Field, model_validator

from app.api.fields import Answer, Body, Name, Number, example
from app.api.state import State, current, reach_of
from app.domain import Context, Float32Array, Json, Prediction
from app.domain.reach import Reach
from app.errors import InvalidReadings, NotFound
from app.learning.model import Model, classify
from app.store import devices, profiles

router = APIRouter(tags=["Classify"])

MAX_ROWS = 1000
INLINE_ROWS = 4
"""More than so many are classified beside the event loop: 4 take about 0.5 ms."""

Roll = Annotated[int, Field(ge=0, le=10**6)]
Rolls = int | list[int]
Window = Annotated[list[list[float]], Field(min_length=1)]


class ClassifyBody(Body):
    """Windows of a profile, each `[reading][channel]`; or feature vectors.

    `pre_roll` and `post_roll` say how many readings of each window lie before and
    after the event: one number for all, or a list.  Without them a window is taken to
    have what most windows of the model's training had, as a stored event's has.

    `contexts`: what was known beside each window, as `GET /events/{id}/window` shows
    it; without, nothing was.  Only models that learnt to read it look at it.
    """

    profile: Name
    device: Name | None = Field(
        default=None, description="Answer as its stream is answered."
    )
    windows: Annotated[list[Window], Field(min_length=1, max_length=MAX_ROWS)] | (
        None
    ) = None
    features: (
        Annotated[list[list[float]], Field(min_length=1, max_length=MAX_ROWS)] | None
    ) = None
    model_version: Number | None = None
    pre_roll: Roll | list[Roll] | None = None
    post_roll: Roll | list[Roll] | None = None
    contexts: (
        Annotated[list[dict[str, Any] | None], Field(max_length=MAX_ROWS)] | None
    ) = None

    model_config = example(
        {"profile": "arm-band", "windows": [[[0.1, 0.2], [0.3, 0.1]]]}
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> ClassifyBody:
        if (self.windows is None) == (self.features is None):
            raise ValueError("send either windows or features")
        if self.device is not None and self.model_version is not None:
            raise ValueError("name a device or a model_version, not both")
        for rolls in (self.pre_roll, self.post_roll):
            if isinstance(rolls, list) and len(rolls) != len(self.windows or ()):
                raise ValueError("as many rolls as windows")
        if self.contexts is not None and len(self.contexts) != len(self.windows or ()):
            raise ValueError("as many contexts as windows")
        return self


class PredictionAnswer(Answer):
    """What a model version says; `probabilities` by class."""

    label: str
    probability: float
    probabilities: dict[str, float]
    unknown: bool
    model_version: int
    features_digest: str

    @classmethod
    def of(cls, said: Prediction) -> PredictionAnswer:
        """Make the answer."""
        return cls(
            label=said.label,
            probability=said.probability,
            probabilities=dict(zip(said.classes, said.probabilities, strict=True)),
            unknown=said.unknown,
            model_version=said.model_version,
            features_digest=said.features_digest,
        )


class ClassifyAnswer(Answer):
    """One prediction for each window, in their order."""

    predictions: list[PredictionAnswer]


@router.post("/classify")
async def classify_windows(
    body: ClassifyBody,
    request: Request,
    state: Annotated[State, Depends(current)],
) -> ClassifyAnswer:
    """Classify windows with the champion, or with any version of the profile.

    With a `device`: by what serves it, its own model or the champion.

    The answer to a stored event's window is the event's prediction, bit for bit.
    """
    model = await _model(state, reach_of(request), body)
    if len(body.windows or body.features or ()) > INLINE_ROWS:
        said = await asyncio.to_thread(predict, model, body)
    else:
        said = predict(model, body)
    return ClassifyAnswer(predictions=[PredictionAnswer.of(one) for one in said])


async def _model(state: State, reach: Reach, body: ClassifyBody) -> Model:
    if not reach.profile(body.profile):
        raise NotFound(f"no profile {body.profile!r}")
    if body.model_version is None:
        if body.device is not None:
            async with state.engine.begin() as conn:
                await devices.require(conn, body.device, body.profile)
        model = state.champions.model(body.profile, body.device)
        if model is None:
            async with state.engine.begin() as conn:
                await profiles.get(conn, body.profile)
            raise NotFound(f"profile {body.profile} has no model yet: label events")
        return model
    model = await state.champions.get(body.model_version)
    if model.profile != body.profile:
        raise NotFound(
            f"profile {body.profile} has no model version {body.model_version}"
        )
    return model


class Asked(Protocol):
    """What `predict` wants to know of a body."""

    @property
    def features(self) -> Sequence[Sequence[float] | Float32Array] | None:
        """Feature vectors, or None."""

    @property
    def windows(self) -> Sequence[Window | Float32Array] | None:
        """Windows, or None."""

    @property
    def pre_roll(self) -> Rolls | None:
        """How many readings lie before the event."""

    @property
    def post_roll(self) -> Rolls | None:
        """How many readings lie after the event."""

    @property
    def contexts(self) -> Sequence[Json | None] | None:
        """What was known beside each window, or None."""


def predict(model: Model, body: Asked) -> list[Prediction]:
    """Say what a model says of each window; blocks for milliseconds."""
    if body.features is not None:
        return [model.predict(_array(row, 1)) for row in body.features]
    windows = body.windows or []
    before, after = (_each(r, len(windows)) for r in _rolls(model, body))
    beside = body.contexts or [None] * len(windows)
    said = []
    for window, pre, post, one in zip(windows, before, after, beside, strict=True):
        known = None if one is None else Context.from_json(one)
        if pre + post >= len(window):
            raise InvalidReadings("the rolls leave nothing of the window")
        said.append(classify(model, _array(window, 2), pre, post, known))
    return said


def _rolls(model: Model, body: Asked) -> tuple[Rolls, Rolls]:
    """Give the rolls that were sent, else those that the model's windows had."""
    if body.pre_roll is not None or body.post_roll is not None:
        return body.pre_roll or 0, body.post_roll or 0
    pre, post = model.card.pre_roll, model.card.post_roll
    bare = [len(window) <= pre + post for window in body.windows or ()]
    return [0 if b else pre for b in bare], [0 if b else post for b in bare]


def _each(rolls: int | list[int], n: int) -> Sequence[int]:
    return rolls if isinstance(rolls, list) else [rolls] * n


def _array(rows: Sequence[object] | Float32Array, dimensions: int) -> Float32Array:
    """Make an array of what was sent: float64 rounded once to float32."""
    try:
        if isinstance(rows, np.ndarray):
            made = rows
        else:
            with np.errstate(over="ignore"):
                made = np.array(rows, dtype=np.float32)
    except ValueError as error:
        raise InvalidReadings("every reading must have every channel") from error
    if made.ndim != dimensions or not np.isfinite(made).all():
        raise InvalidReadings("values must be finite as 32-bit floats")
    return made
