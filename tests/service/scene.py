"""A small world to train in: two channels, classes that a model can tell apart."""

from __future__ import annotations

import uuid
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain import (
    Channel,
    Context,
    Earlier,
    Event,
    Float32Array,
    LabelledWindow,
    Profile,
    RetrainPolicy,
)
from app.learning import ModelCard
from app.learning.dataset import build
from app.learning.export import export
from app.learning.train import train_full
from app.store import devices, events, labels, models, profiles
from app.store.artefacts import Artefacts
from app.store.models import NewVersion

T0 = datetime(2026, 1, 1, tzinfo=UTC)
RATE_HZ = 50.0


def profile_of(name: str = "arm", **retrain: object) -> Profile:
    policy = {"every_labels": None, "estimator": "logistic", "mode": "full", **retrain}
    return Profile(
        name,
        (Channel("x"), Channel("y")),
        RATE_HZ,
        retrain=RetrainPolicy(**policy),  # type: ignore[arg-type]
    )


def window(label: str, number: int) -> Float32Array:
    """A noisy (60, 2) window whose energy says which class it is."""
    noise = np.random.default_rng([number, *label.encode()])
    loud = {"rest": 0.1, "fist": 1.0, "wave": 5.0, "shake": 25.0}.get(label, 1.0)
    values = noise.normal((loud, 0.0), loud, (60, 2))
    return values.astype(np.float32)


def event_of(
    profile: str, device: str, number: int, label: str, prefix: str = ""
) -> Event:
    at = T0 + timedelta(seconds=number)
    return Event(
        id=uuid.uuid5(uuid.NAMESPACE_OID, f"{prefix}{profile}/{device}/{number}"),
        device=device,
        boot="b1",
        profile=profile,
        detector_version=0,
        onset_seq=100 * number + 1,
        offset_seq=100 * number + 41,
        onset=at,
        offset=at + timedelta(seconds=0.8),
        peak=3.0,
        window=window(label, number),
        pre_roll=10,
        post_roll=10,
    )


async def put_profile(engine: AsyncEngine, profile: Profile) -> None:
    async with engine.begin() as conn:
        await profiles.put(conn, profile, None)
        await devices.put(conn, f"{profile.name}-1", profile.name)


async def add_events(
    engine: AsyncEngine,
    profile: str,
    said: Sequence[str],
    *,
    start: int = 0,
    labelled: bool = True,
) -> list[Event]:
    """Store one event per given label, and the labels unless told otherwise."""
    made = [event_of(profile, f"{profile}-1", start + i, y) for i, y in enumerate(said)]
    async with engine.begin() as conn:
        await events.add(conn, made)
        if labelled:
            for event, label in zip(made, said, strict=True):
                await labels.add(conn, event.id, label, "ann", "test")
    return made


def cycle(count: int) -> list[str]:
    return [("rest", "fist", "wave")[i % 3] for i in range(count)]


@cache
def tiny_model(
    tag: str, profile_name: str = "arm", beside: bool = False
) -> tuple[bytes, ModelCard]:
    """A real model whose every answer begins with its tag.

    `beside`: one that reads what was known beside the windows.
    """
    rows = [
        LabelledWindow(
            uuid.uuid5(uuid.NAMESPACE_OID, f"tiny/{i}"),
            "d",
            T0 + timedelta(seconds=i),
            window(label, i + zlib.crc32(tag.encode())),
            f"{tag}:{label}",
            10,
            10,
            context=Context(i, (Earlier(i, 1.0, f"{tag}:rest", 0.7),)),
        )
        for i, label in enumerate(cycle(12))
    ]
    profile = profile_of(profile_name)
    dataset = build(profile, rows, "v1+c1" if beside else "v1")
    trained = train_full(
        dataset, "logistic", seed=1, progress=lambda _s, _f: None, context=beside
    )
    return export(trained, profile, dataset)


async def add_version(
    engine: AsyncEngine,
    artefacts: Artefacts,
    tag: str,
    *,
    profile: str = "arm",
    promote_from: int | str | None = "not",
    beside: bool = False,
) -> int:
    """Store a tiny model as a version; promote it over `promote_from` if given."""
    onnx, card = tiny_model(tag, profile, beside)
    row = NewVersion(
        profile=profile,
        parent=None,
        kind="full",
        estimator="logistic",
        feature_set=card.feature_set,
        seed=1,
        code_version="test",
        artefact_sha256=artefacts.put(onnx),
        trainer_state_sha256=None,
        card=card.to_json(),
        manifest={},
        report={},
        verdict="promote",
        reason="test",
        trained_through=None,
    )
    async with engine.begin() as conn:
        version = await models.add(conn, row)
        if promote_from != "not":
            await models.promote(
                conn,
                profile,
                version,
                promote_from,  # type: ignore[arg-type]
                "ann",
                "test",
            )
    return version
