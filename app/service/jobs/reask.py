"""Stored predictions, asked again of the models that made them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain import Profile
from app.errors import ArtefactError, OnsetError
from app.learning.model import Model, classify
from app.service.champion import load
from app.service.jobs.progress import Progress
from app.service.jobs.tally import UNREADABLE, Tally, both
from app.store import models, verification
from app.store.artefacts import Artefacts
from app.store.verification import Asked

PAGE = 500
MOST_MODELS = 8
"""Models in memory."""

_SAID = ("label", "probability", "unknown", "features_digest")
_WHOLE = ("classes", "probabilities")
"""Not kept of every prediction."""


async def answers(
    engine: AsyncEngine,
    artefacts: Artefacts,
    profile: Profile,
    device: str | None,
    position: int,
    tally: Tally,
    progress: Progress,
) -> None:
    """Ask the models again that made the stored predictions."""
    loaded: dict[int, Model | str] = {}
    after: int | None = 0
    while after is not None:
        progress("asking models again", 0.8 + 0.2 * after / max(position, 1))
        begun = after
        async with engine.connect() as conn:
            page, after = await verification.asked(
                conn, profile.name, device, after=begun, to=position, limit=PAGE
            )
        for number in {one.prediction.model_version for one in page} - set(loaded):
            while len(loaded) >= MOST_MODELS:
                del loaded[next(iter(loaded))]
            loaded[number] = await _load(engine, artefacts, number)
        whys = await asyncio.to_thread(_asked, loaded, page)
        for one, why in zip(page, whys, strict=True):
            tally.predictions += 1
            if why:
                about = f"model {one.prediction.model_version}: {why}"
                tally.differs(
                    "prediction",
                    one.device,
                    one.boot,
                    one.onset_seq,
                    one.event,
                    about,
                )
            else:
                tally.predictions_again += 1


async def _load(engine: AsyncEngine, artefacts: Artefacts, number: int) -> Model | str:
    """Load a model, or say why it cannot be asked."""
    async with engine.connect() as conn:
        row = await models.get(conn, number)
    try:
        return await asyncio.to_thread(load, artefacts, row)
    except ArtefactError as error:
        return str(error)


def _asked(loaded: dict[int, Model | str], page: Sequence[Asked]) -> list[str]:
    said = []
    for one in page:
        model = loaded[one.prediction.model_version]
        if isinstance(model, str) or one.window is None:
            said.append(model if isinstance(model, str) else UNREADABLE)
            continue
        try:
            again = classify(
                model, one.window, one.pre_roll, one.post_roll, one.context
            )
        except OnsetError as error:
            said.append(str(error))
            continue
        differ = [
            both(name, getattr(one.prediction, name), getattr(again, name))
            for name in (_SAID + _WHOLE if one.prediction.classes else _SAID)
            if getattr(one.prediction, name) != getattr(again, name)
        ]
        said.append("; ".join(differ))
    return said
