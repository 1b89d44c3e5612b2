"""A wrist band that makes three movements in turn, and models that know them."""

import asyncio
import contextlib
import itertools
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import numpy as np

from app.client import DeviceStream, Onset
from app.domain import (
    Channel,
    Event,
    Float32Array,
    FloatArray,
    LabelledWindow,
    Profile,
    RetrainPolicy,
)
from app.learning import classify
from app.learning.dataset import build
from app.learning.export import export
from app.learning.train import train_full
from app.service.champion import load
from app.store import devices, events, labels, models, profiles
from app.store import engine as database
from app.store.artefacts import Artefacts
from app.store.models import NewVersion
from tests.dashboard.served import Served

RATE_HZ = 50.0
CHANNELS = ("acc x", "acc y", "acc z", "gyro x", "gyro y", "gyro z")
CLASSES = ("knock", "turn", "wave")
PROFILE = Profile(
    "wrist",
    tuple(Channel(name) for name in CHANNELS),
    RATE_HZ,
    classes=CLASSES,
    retrain=RetrainPolicy(every_labels=None, estimator="logistic", mode="full"),
)
PERIOD = 160
"""Readings from one movement to the next."""
LENGTH = 75
BLOCK = 10
SPEED = 5.0
DETECTOR = {
    "baseline_seconds": 4,
    "smooth_seconds": 0.2,
    "min_seconds": 0.4,
    "merge_seconds": 0.3,
    "pre_seconds": 0.2,
    "post_seconds": 0.2,
}


def movement(name: str, random: np.random.Generator) -> FloatArray:
    """The readings of one movement, shape (LENGTH, 6)."""
    at = np.arange(LENGTH)[:, None] / RATE_HZ
    swing = {"knock": 9.0, "turn": 2.0, "wave": 4.0}[name] * random.uniform(0.9, 1.1)
    share = {
        "knock": [0.2, 0.3, 1.6, 0.1, 0.2, 0.1],
        "turn": [0.3, 0.4, 0.2, 0.4, 1.5, 0.5],
        "wave": [1.0, 0.6, 0.3, 0.4, 0.3, 1.2],
    }[name]
    phase = random.uniform(0, 6.3, 6)
    rise = np.hanning(LENGTH)[:, None] ** 0.4 * random.uniform(0.8, 1.2)
    swung: FloatArray = np.sin(6.283 * swing * at + phase)
    return rise * np.array(share) * swung


def readings() -> "itertools.chain[FloatArray]":
    """Blocks of readings without end: rest, movement, rest, ..."""
    random = np.random.default_rng(7)

    def cycle(index: int) -> list[FloatArray]:
        values = random.normal(0, 0.03, (PERIOD, 6))
        values[-LENGTH:] += movement(CLASSES[index % 3], random)
        return np.split(values, PERIOD // BLOCK)

    return itertools.chain.from_iterable(cycle(i) for i in itertools.count())


@contextlib.asynccontextmanager
async def streaming(
    served: Served, device: str, profile: Profile = PROFILE
) -> AsyncIterator[Onset]:
    """Let a band stream in the background."""
    async with Onset(served.url, served.key) as client:
        declared = {
            "channels": [{"name": name} for name in CHANNELS],
            "rate_hz": RATE_HZ,
            "detector": DETECTOR,
            "classes": list(CLASSES),
            "retrain": {
                "every_labels": None,
                "estimator": profile.retrain.estimator,
                "mode": profile.retrain.mode,
            },
        }
        await client.put_profile(profile.name, declared)
        await client.put_device(device, profile.name)
        key = await client.device_key(device)
        task = asyncio.create_task(_play(served.url, device, key))
        try:
            yield client
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _play(url: str, device: str, key: str) -> None:
    stream = DeviceStream(url, device, key, boot=uuid.uuid4().hex)
    stream = await stream.__aenter__()
    try:
        for block in readings():
            await stream.send(block)
            await asyncio.sleep(BLOCK / RATE_HZ / SPEED)
    finally:
        await stream.close()


ROLL = 10
"""Readings before and after each movement of the history."""


def shown(name: str, random: np.random.Generator, noise: float) -> Float32Array:
    """The window of an event, shape (LENGTH + 2 ROLL, 6)."""
    window = random.normal(0, noise, (LENGTH + 2 * ROLL, 6))
    window[ROLL:-ROLL] += movement(name, random)
    return window.astype(np.float32)


async def add_history(
    served: Served,
    device: str,
    n: int,
    *,
    noise: float = 0.03,
    labelled: bool = True,
    profile: Profile = PROFILE,
) -> dict[str, str]:
    """Store `n` events of a device, a minute apart, with what the champion says.

    Returns
    -------
    dict
        Event -> what it really is; the last is the newest.
    """
    random = np.random.default_rng(n)
    made = []
    for i in range(n):
        onset = datetime.now(UTC) - timedelta(minutes=n - i)
        made.append(
            Event(
                id=uuid.uuid5(uuid.NAMESPACE_OID, f"{device}/{i}"),
                device=device,
                boot="history",
                profile=profile.name,
                detector_version=0,
                onset_seq=1 + PERIOD * i,
                offset_seq=1 + PERIOD * i + LENGTH,
                onset=onset,
                offset=onset + timedelta(seconds=LENGTH / RATE_HZ),
                peak=4.0,
                window=shown(CLASSES[i % 3], random, noise),
                pre_roll=ROLL,
                post_roll=ROLL,
            )
        )
    truths = {event.id: CLASSES[i % 3] for i, event in enumerate(made)}
    engine = database.create(served.database_url, pool_size=2)
    try:
        async with engine.begin() as conn:
            await profiles.put(conn, profile, None)
            await devices.put(conn, device, profile.name)
            await events.add(conn, made)
            champion = await models.champion(conn, profile.name)
            if champion is not None:
                model = load(Artefacts(served.models), champion)
                said = [(e.id, classify(model, e.window, ROLL, ROLL)) for e in made]
                await events.add_predictions(conn, said)
        if labelled:  # later than the answers, or these would prove nothing
            async with engine.begin() as conn:
                await labels.add_many(conn, list(truths.items()), "ann", "person")
    finally:
        await engine.dispose()
    return {str(event): name for event, name in truths.items()}


async def add_champion(served: Served, n: int, reason: str) -> int:
    """Store a model trained on `n` movements, and let it serve."""
    random = np.random.default_rng(n)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    rows = []
    for i in range(n):
        name = CLASSES[i % 3]
        rows.append(
            LabelledWindow(
                uuid.uuid5(uuid.NAMESPACE_OID, f"{n}/{i}"),
                "d",
                start + timedelta(seconds=i),
                shown(name, random, 0.03),
                name,
                ROLL,
                ROLL,
            )
        )
    dataset = build(PROFILE, rows)
    trained = train_full(dataset, "logistic", seed=1, progress=lambda _s, _f: None)
    onnx, card = export(trained, PROFILE, dataset)
    row = NewVersion(
        profile=PROFILE.name,
        parent=None,
        kind="full",
        estimator="logistic",
        feature_set=card.feature_set,
        seed=1,
        code_version="test",
        artefact_sha256=Artefacts(served.models).put(onnx),
        trainer_state_sha256=None,
        card=card.to_json(),
        manifest={},
        report={},
        verdict="promote",
        reason=reason,
        trained_through=None,
    )
    engine = database.create(served.database_url, pool_size=2)
    try:
        async with engine.begin() as conn:
            await profiles.put(conn, PROFILE, None)
            before = await models.champion(conn, PROFILE.name)
            version = await models.add(conn, row)
            expected = None if before is None else before.version
            await models.promote(conn, PROFILE.name, version, expected, "ann", reason)
    finally:
        await engine.dispose()
    return version
