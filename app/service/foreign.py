"""Models that were trained elsewhere: looked at, tried, and kept as candidates."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import numpy as np
from sqlalchemy.ext.asyncio import AsyncEngine

from app import __version__, features
from app.domain import Profile
from app.errors import ArtefactError
from app.learning import artefact
from app.learning.card import INPUT, OUTPUT
from app.learning.model import Model, ModelCard, SelfTest
from app.store import audit, models, profiles
from app.store.artefacts import Artefacts
from app.store.models import NewVersion

IMPORTED = "imported"


@dataclass(frozen=True, slots=True)
class ForeignModel:
    """What is said of a model that was trained elsewhere."""

    profile: str
    classes: tuple[str, ...]
    unknown_below: float
    note: str
    by: str


async def import_model(
    engine: AsyncEngine, artefacts: Artefacts, graph: bytes, said: ForeignModel
) -> int:
    """Check a model that was trained elsewhere and keep it as a candidate.

    Raises
    ------
    NotFound
        If there is no such profile.
    ArtefactError
        If the graph does not fit the profile, or is none that is served.
    """
    async with engine.begin() as conn:
        profile = await profiles.get(conn, said.profile)
    card = await asyncio.to_thread(_examine, graph, profile, said)
    digest = await asyncio.to_thread(artefacts.put, graph)
    reason = f"{said.note}; imported by {said.by}, not judged yet"
    new = NewVersion(
        profile=profile.name,
        parent=None,
        kind=IMPORTED,
        estimator=card.estimator,
        feature_set=card.feature_set,
        seed=0,
        code_version=f"{__version__}+features.{card.features_code}",
        artefact_sha256=digest,
        trainer_state_sha256=None,
        card=card.to_json(),
        manifest={"imported_by": said.by},
        report={},
        verdict="hold",
        reason=reason,
    )
    async with engine.begin() as conn:
        version = await models.add(conn, new)
        after = {"version": version, "artefact_sha256": digest}
        about = f"profile:{profile.name}"
        await audit.record(conn, said.by, "import-model", about, after=after)
    return version


def _examine(graph: bytes, profile: Profile, said: ForeignModel) -> ModelCard:
    """Inspect, run and write down what the graph answers (blocks)."""
    channels = tuple(channel.name for channel in profile.channels)
    digest = artefact.digest(graph)
    artefact.inspect(
        graph,
        sha256=digest,
        n_features=features.width(len(channels)),
        n_classes=len(said.classes),
    )
    noise = np.random.default_rng(0).normal(size=(4, 64, profile.n_channels))
    rows = [
        features.extract(window, profile.rate_hz) for window in noise.astype(np.float32)
    ]
    session = artefact.open_session(graph)
    answers = []
    for row in rows:
        try:
            out = session.run([OUTPUT], {INPUT: row[None]})
        except Exception as error:  # whatever the runtime raises, the graph is bad
            raise ArtefactError("the graph cannot be run") from error
        answers.append(tuple(float(p) for p in np.ravel(out[0])))
    card = ModelCard(
        profile=profile.name,
        classes=said.classes,
        channels=channels,
        rate_hz=profile.rate_hz,
        feature_set=features.PLAIN,
        features_code=features.fingerprint(),
        estimator=IMPORTED,
        graph_sha256=digest,
        unknown_below=said.unknown_below,
        least=profile.retrain.least,
        selftest=SelfTest(
            tuple(tuple(float(v) for v in row) for row in rows), tuple(answers)
        ),
    )
    Model.load(graph, card)
    return card
