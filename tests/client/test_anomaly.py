"""A model of river on the device's side: what it finds unusual becomes events."""

import numpy as np
import pytest

from app.client.anomaly import WithScore
from app.detection import Stream
from app.domain import Channel, DetectorVersion, Event, FloatArray, Profile, Readings
from app.errors import InvalidReadings

RATE_HZ = 2.0
NAMES = ("temperature", "humidity", "smoke")
FIRES = (2400, 3200, 4000)
LENGTH = 60
N = 4800


def forest() -> FloatArray:
    """Sensors of a forest: warm means dry; a fire is warm, dry and full of smoke."""
    random = np.random.default_rng(11)
    warm = random.normal(0, 1, N)
    values = np.column_stack([warm, -warm, np.zeros(N)]) + random.normal(0, 0.5, (N, 3))
    for onset in FIRES:
        values[onset : onset + LENGTH] += [4.0, -4.0, 3.0]
    return values


@pytest.fixture(scope="module")
def scored() -> FloatArray:
    """Readings, and what river says of each."""
    anomaly = pytest.importorskip(
        "river.anomaly", reason="river is not installed: pip install onset[river]"
    )
    scaler = pytest.importorskip("river.preprocessing").MinMaxScaler()
    model = scaler | anomaly.HalfSpaceTrees(n_trees=5, height=6, seed=1)
    return WithScore(model, NAMES)(forest())


def test_a_model_of_river_ranks_fires_above_all_that_is_normal(scored: FloatArray):
    score = scored[:, -1]
    assert np.array_equal(scored[:, :3], forest().astype(np.float32))
    in_fire = np.zeros(N, bool)
    for onset in FIRES:
        in_fire[onset : onset + LENGTH] = True
    known = np.arange(N) >= 600  # two windows of river's trees
    usual = score[known & ~in_fire]
    means = [score[onset : onset + LENGTH].mean() for onset in FIRES]
    windows = usual[: len(usual) // LENGTH * LENGTH].reshape(-1, LENGTH)
    assert min(means) > windows.mean(axis=1).max()


def test_its_score_alone_is_a_channel_whose_events_are_the_fires(scored: FloatArray):
    profile = Profile("forest", (Channel("anomaly"),), RATE_HZ)
    settings = {"kind": "mahalanobis", "baseline_seconds": 120}
    stream = Stream(profile, DetectorVersion(1, "forest", settings), "d", "b")
    score = scored[600:, -1:]
    said = stream.receive(Readings(1, score, np.arange(len(score)) / RATE_HZ))
    said += stream.close()
    onsets = [one.onset_seq + 599 for one in said if isinstance(one, Event)]
    assert np.allclose(onsets, FIRES, atol=10)


class Counts:
    """A model that remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, float]] = []

    def score_one(self, x: dict[str, float]) -> float:
        self.asked.append(("score", x["a"]))
        return float("inf") if x["a"] == 2 else x["a"]

    def learn_one(self, x: dict[str, float]) -> None:
        self.asked.append(("learn", x["a"]))


def test_a_reading_is_scored_before_it_is_learnt_and_a_hole_is_neither():
    model = Counts()
    given = WithScore(model, ["a", "b"])([[1, 5], [2, 5], [3, None], [4, 5]])
    assert model.asked == [
        (verb, a) for a in (1.0, 2.0, 4.0) for verb in ("score", "learn")
    ]
    want = [[1, 5, 1], [2, 5, np.nan], [3, np.nan, np.nan], [4, 5, 4]]
    assert np.array_equal(given, np.array(want, np.float32), equal_nan=True)


def test_readings_of_another_shape_are_refused():
    with pytest.raises(InvalidReadings, match="3 values in a reading"):
        WithScore(Counts(), ["a", "b"])([[1, 2, 3]])
