"""Small labelled windows whose classes can be told apart."""

from __future__ import annotations

from collections.abc import Callable
from uuid import NAMESPACE_OID, uuid5

import numpy as np
import pytest

from app.domain import Channel, LabelledWindow, Profile, utc
from app.learning.dataset import Dataset, build

MakeRows = Callable[..., list[LabelledWindow]]

PROFILE = Profile("band", (Channel("a"), Channel("b"), Channel("c")), rate_hz=50.0)
LOUD = {"fist": 0, "wave": 1, "point": 2}


@pytest.fixture(scope="session")
def profile() -> Profile:
    return PROFILE


def make_rows(
    n: int = 60,
    classes: tuple[str, ...] = ("fist", "wave", "point"),
    devices: tuple[str, ...] = ("d1", "d2"),
    seed: int = 0,
    first: int = 0,
) -> list[LabelledWindow]:
    """Class k is loud on channel k, "still" on none; devices differ in strength."""
    random = np.random.default_rng(seed)
    rows = []
    for i in range(first, first + n):
        label = classes[i % len(classes)]
        device = devices[i // len(classes) % len(devices)]
        loud = np.full(3, 0.5)
        if label != "still":
            loud[LOUD.get(label, 0)] = 2.0 + devices.index(device)
        window = random.normal(0, 1, (random.integers(30, 60), 3)) * loud
        event = uuid5(NAMESPACE_OID, f"{i}")
        values = window.astype(np.float32)
        rows.append(LabelledWindow(event, device, utc(i), values, label, 5, 5))
    return rows


@pytest.fixture(scope="session")
def rows_of() -> MakeRows:
    return make_rows


@pytest.fixture(scope="session")
def dataset(profile: Profile) -> Dataset:
    return build(profile, make_rows())


@pytest.fixture(scope="session")
def quiet() -> Callable[[str, float], None]:
    return lambda text, share: None
