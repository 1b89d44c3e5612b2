"""The models that this process serves: one champion per profile, swapped under load.

A device may have a version of its own instead; one that is not there, or does not load,
leaves the device to the champion.

A swap is one reference assignment: a prediction under way keeps the model it began
with, the next one takes the new.  `Champions.run` hears of promotions and looks again
every few seconds, so a lost notification costs seconds.  A version that cannot be
verified, loaded or tested never serves: the old champion stays, `problems` says why.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence

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
    on_swap : function of the new model, or None
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
        self._own: dict[tuple[str, str], Model] = {}
        self._kept: OrderedDict[int, Model] = OrderedDict()
        self._kept_models = kept_models
        self._problems: dict[str, str] = {}
        self._own_problems: dict[str, str] = {}
        self._loading = asyncio.Lock()
        self._looking = asyncio.Lock()
        self._wake = asyncio.Event()

    def model(self, profile: str, device: str | None = None) -> Model | None:
        """Return what serves a device, or a profile; None while nothing does."""
        if device is not None and (own := self._own.get((profile, device))):
            return own
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
        own = {f"device {name}": why for name, why in self._own_problems.items()}
        both = [*sorted(self._problems.items()), *sorted(own.items())]
        return [f"{what}: {why}" for what, why in both]

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
        self._say(model)

    def _say(self, model: Model) -> None:
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
        for model in (*self._serving.values(), *self._own.values()):
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
                own = await models.own(conn)
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
        await self._look_at_own(own)

    async def _look_at_own(self, own: Sequence[tuple[str, str, int]]) -> None:
        """Let devices be served by what is theirs now; several may share a version."""
        loaded = {model.version: model for model in self._own.values()}
        wanted: dict[tuple[str, str], Model] = {}
        failed: dict[str, str] = {}
        for profile, device, version in own:
            try:
                if version not in loaded:
                    loaded[version] = await self.get(version)
                wanted[profile, device] = loaded[version]
            except Exception as error:
                # The champion serves the device meanwhile.
                failed[device] = _why(version, error)
        if failed and failed != self._own_problems:
            log.error("own_models_trouble", why=failed)
        self._own_problems = failed
        fresh = {m.version: m for m in wanted.values()}
        former = {model.version for model in self._own.values()}
        self._own = wanted
        for model in fresh.values():
            if model.version not in former:
                log.info("own_model_serves", model_version=model.version)
                self._say(model)

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
            self._trouble(row.profile, _why(row.version, error))
            return
        self._problems.pop(row.profile, None)
        self.swap(model)

    async def _load(self, row: ModelVersion) -> Model:
        return await asyncio.to_thread(load, self._artefacts, row)

    def _trouble(self, what: str, why: str) -> None:
        if self._problems.get(what) != why:
            log.error("champion_trouble", what=what, why=why)
        self._problems[what] = why


def _why(version: int, error: Exception) -> str:
    why = str(error) if isinstance(error, ArtefactError) else repr(error)
    return f"version {version} does not load: {why}"


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
