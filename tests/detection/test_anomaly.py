"""Without any label an event's peak says how unusual it is."""

import numpy as np

from app.detection import Stream
from app.domain import Channel, DetectorVersion, Event, FloatArray, Profile, Readings

RATE_HZ = 2.0
NAMES = ("temperature", "humidity", "smoke")
FIRES = {6000: 1.4, 9000: 2.0, 15_000: 3.2}
"""Onset -> strength, in standard deviations of the quiet: hardly to be seen."""
LENGTH = 60


def forest(fires: dict[int, float]) -> FloatArray:
    """Sensors of a forest: warm means dry, and smoke is rare; a fire is none of it."""
    random = np.random.default_rng(11)
    n = 18_000
    warm = random.normal(0, 1, n)
    values = np.column_stack([warm, -warm, np.zeros(n)]) + random.normal(0, 0.5, (n, 3))
    for onset, strength in fires.items():
        # warm and humid, with smoke: no channel need be out of its range
        values[onset : onset + LENGTH] += 0.5 * strength * np.array([0.6, 0.6, 1.0])
    return values


def peaks(values: FloatArray, on: float) -> dict[int, float]:
    profile = Profile("forest", tuple(map(Channel, NAMES)), RATE_HZ)
    settings = {"kind": "mahalanobis", "on": on, "off": 1.0, "baseline_seconds": 120}
    stream = Stream(profile, DetectorVersion(1, "forest", settings), "d", "b")
    times = np.arange(len(values)) / RATE_HZ
    said = stream.receive(Readings(1, values.astype(np.float32), times))
    said += stream.close()
    return {one.onset_seq: one.peak for one in said if isinstance(one, Event)}


def test_anomalies_are_ranked_by_their_strength_and_above_all_that_is_normal():
    found = peaks(forest(FIRES), on=3.0)
    of_fires = [
        max(p for at, p in found.items() if onset - 20 <= at <= onset + LENGTH)
        for onset in FIRES
    ]
    assert of_fires == sorted(of_fires)
    assert of_fires[-1] > 1.3 * of_fires[0]
    # `peak` levels off near 26: a reading counts 3 deviations a channel at most
    # what so low a threshold calls unusual on a day without a fire
    normal = list(peaks(forest({}), on=3.0).values())
    assert max(normal, default=0.0) < of_fires[0]
