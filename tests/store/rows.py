"""Makes values to store."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import (
    Channel,
    Event,
    Prediction,
    Profile,
    Readings,
    event_id,
)
from app.store import streams
from app.store.models import NewVersion
from app.store.streams import Claim, StreamCommit, StreamRow

PROFILE = Profile("arm", (Channel("x", "mV"), Channel("y", "mV")), 50.0)
T0 = datetime(2026, 1, 1, tzinfo=UTC)


def new_event(
    seq: int, *, device: str = "d1", boot: str = "b1", detector: int = 1, **changes: Any
) -> Event:
    values = np.random.default_rng(seq).normal(size=(80, 2)).astype(np.float32)
    fields: dict[str, Any] = {
        "id": event_id(device, boot, seq, detector),
        "device": device,
        "boot": boot,
        "profile": PROFILE.name,
        "detector_version": detector,
        "onset_seq": seq,
        "offset_seq": seq + 50,
        "onset": T0 + timedelta(seconds=seq / 50),
        "offset": T0 + timedelta(seconds=seq / 50 + 1),
        "peak": 4.5,
        "window": values,
        "pre_roll": 20,
        "post_roll": 10,
    }
    return Event(**fields | changes)


def new_prediction(
    version: int, label: str = "fist", probability: float = 0.75
) -> Prediction:
    other = "rest" if label != "rest" else "fist"
    return Prediction(
        label=label,
        probability=probability,
        classes=(label, other),
        probabilities=(probability, 1 - probability),
        unknown=probability < 0.6,
        model_version=version,
        features_digest="0123456789abcdef",
    )


def new_version(**changes: Any) -> NewVersion:
    fields: dict[str, Any] = {
        "profile": PROFILE.name,
        "parent": None,
        "kind": "full",
        "estimator": "logistic",
        "feature_set": "v1",
        "seed": 7,
        "code_version": "test",
        "artefact_sha256": "a" * 64,
        "trainer_state_sha256": None,
        "card": {"classes": ["fist", "rest"]},
        "manifest": {"train": [["e", "fist"]], "holdout": [], "digest": "d"},
        "report": {"accuracy": 0.9},
        "verdict": "promote",
        "reason": "better",
        "trained_through": T0,
    }
    return NewVersion(**fields | changes)


def new_readings(first_seq: int, n: int = 10, *, device_times: bool = True) -> Readings:
    noise = np.random.default_rng(first_seq)
    values = noise.normal(size=(n, 2)).astype(np.float32)
    values[0, 0] = np.nan
    times = T0.timestamp() + (first_seq + np.arange(n)) / 50
    return Readings(first_seq, values, times, device_times)


def new_commit(
    old: int, new: int, *, generation: int = 1, detector: int = 1, **changes: Any
) -> StreamCommit:
    fields: dict[str, Any] = {
        "device": "d1",
        "boot": "b1",
        "generation": generation,
        "old": old,
        "new": new,
        "state": f"state at {new}".encode(),
        "detector_version": detector,
    }
    return StreamCommit(**fields | changes)


async def take_over(
    conn: AsyncConnection, device: str, boot: str, detector_version: int
) -> StreamRow:
    """Take one stream over."""
    [row] = await streams.take_over(conn, [Claim(device, boot, detector_version)])
    assert row is not None
    return row
