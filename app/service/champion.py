"""The models that this process serves: one champion per profile, swapped under load.

A swap is one reference assignment: a prediction under way keeps the model it began
with, the next one takes the new.  `Champions.run` hears of promotions and looks again
every few seconds, so a lost notification costs seconds.  A version that cannot be
verified, loaded or tested never serves: the old champion stays, `problems` says why.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.errors import ArtefactError
from app.learning.model import Model, ModelCard
from app.store import engine as database
from app.store import models
from app.store.artefacts import Artefacts
from app.store.models import ModelVersion

log = structlog.get_logger()

KEPT_MODELS = 8
"""Versions other than champions kept for `POST /classify`; about 10 MB each."""


class Champions:
    """Loads, tests and swaps the champions of all profiles.

    Parameters
    ----------
    artefacts : Artefacts
        Where the files are, by digest.
    poll_seconds : float > 0
        How often to look for promotions that were not heard.
    on_swap : function of the new champion, or None
        Called in the event loop after each swap; must not wait.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        artefacts: Artefacts,
        *,
        poll_seconds: float = 5.0,
        on_swap: Callable[[Model], None] | None = None,
        kept_models: int = KEPT_MODELS,
    ) -> None:
        self._engine = engine
        self._artefacts = artefacts
        self._poll_seconds = poll_seconds
        self._on_swap = on_swap
        self._serving: dict[str, Model] = {}
        self._kept: OrderedDict[int, Model] = OrderedDict()
        self._kept_models = kept_models
        self._problems: dict[str, str] = {}
        self._loading = asyncio.Lock()
        self._looking = asyncio.Lock()
        self._wake = asyncio.Event()

    def model(self, profile: str) -> Model | None:
        """Return the champion of a profile, None while there is none."""
        return self._serving.get(profile)

    def version(self, profile: str) -> int | None:
        """Return the number of the champion that this process serves."""
        model = self._serving.get(profile)
        return None if model is None else model.version

    def serving(self) -> list[Model]:
        """Return the champions of all profiles."""
        return list(self._serving.values())

    def problems(self) -> list[str]:
        """Say why this process does not serve what it should; empty if it does."""
        return [f"{what}: {why}" for what, why in sorted(self._problems.items())]

    def swap(self, model: Model) -> None:
        """Make a loaded model the champion of its profile in this process."""
        former = self._serving.get(model.profile)
        self._serving[model.profile] = model
        log.info(
            "champion_swapped",
            profile=model.profile,
            model_version=model.version,
            former_version=None if former is None else former.version,
        )
        if self._on_swap is not None:
            self._on_swap(model)

    async def get(self, version: int) -> Model:
        """Return any version, loaded and tested; a bounded number is kept.

        Raises
        ------
        NotFound
            If there is no such version.
        ArtefactError
            If its file is missing, damaged or says other than its row vouches for.
        """
        for model in self._serving.values():
            if model.version == version:
                return model
        async with self._loading:
            if version not in self._kept:
                async with self._engine.connect() as conn:
                    row = await models.get(conn, version)
                self._kept[version] = await self._load(row)
                while len(self._kept) > self._kept_models:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(version)
            return self._kept[version]

    async def refresh(self) -> None:
        """Look once which versions should serve, and swap those that differ."""
        async with self._looking:
            await self._look()

    async def _look(self) -> None:
        try:
            async with self._engine.connect() as conn:
                rows = await models.champions(conn)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            self._trouble("champions", f"database away ({type(error).__name__})")
            return
        self._problems.pop("champions", None)
        for row in rows:
            if self.version(row.profile) == row.version:
                self._problems.pop(row.profile, None)
            else:
                await self._adopt(row)
        for profile in {*self._serving, *self._problems} - {r.profile for r in rows}:
            self._serving.pop(profile, None)
            self._problems.pop(profile, None)

    async def run(self, database_url: str) -> None:
        """Follow promotions for ever; cancel to stop."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._hear(database_url))
            while True:
                self._wake.clear()
                await self.refresh()
                try:
                    async with asyncio.timeout(self._poll_seconds):
                        await self._wake.wait()
                except TimeoutError:
                    continue

    async def _hear(self, database_url: str) -> None:
        async for _ in database.listen(database_url, ["onset_models"]):
            self._wake.set()

    async def _adopt(self, row: ModelVersion) -> None:
        try:
            model = self._kept.get(row.version) or await self._load(row)
        except Exception as error:
            # Whatever a file does, the old champion serves on.
            why = str(error) if isinstance(error, ArtefactError) else repr(error)
            self._trouble(row.profile, f"version {row.version} does not load: {why}")
            return
        self._problems.pop(row.profile, None)
        self.swap(model)

    async def _load(self, row: ModelVersion) -> Model:
        return await asyncio.to_thread(load, self._artefacts, row)

    def _trouble(self, what: str, why: str) -> None:
        if self._problems.get(what) != why:
            log.error("champion_trouble", what=what, why=why)
        self._problems[what] = why


def load(artefacts: Artefacts, row: ModelVersion) -> Model:
    """Verify, load, test and warm the model of a version (blocks for milliseconds).

    Raises
    ------
    ArtefactError
        If any of that fails.
    """
    card = ModelCard.from_json(row.card)
    if card.profile != row.profile:
        raise ArtefactError(
            f"version {row.version} is of {row.profile!r}, its card of {card.profile!r}"
        )
    return Model.load(artefacts.get(row.artefact_sha256), card, row.version)
