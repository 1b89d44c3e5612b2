"""Why: planted causes are found, and what cannot be explained is refused."""

import numpy as np
import pytest

from app.domain import Float32Array
from app.errors import InvalidReadings
from app.learning import Model, why
from app.learning.dataset import build
from app.learning.export import export
from app.learning.train import train_full
from tests.learning.planted import KINDS, POST, PRE, Planted


def learnt(planted: Planted) -> Model:
    dataset = build(planted.profile, planted.rows(25))
    trained = train_full(
        dataset, "logistic", seed=1, progress=lambda _s, _f: None, sharpness=1.0
    )
    return Model.load(*export(trained, planted.profile, dataset))


@pytest.fixture(scope="module")
def model() -> Model:
    return learnt(Planted("burst", 0))


@pytest.mark.parametrize("kind", KINDS)
def test_planted_channel_and_part_are_found_in_nine_of_ten_streams(kind: str) -> None:
    found_channel, found_part = [], []
    for seed in range(4):
        planted = Planted(kind, seed)
        model = learnt(planted)
        for label in [*planted.causes] * 3:
            window, channel, first, last = planted.window(label)
            said = why.explain(model, window, PRE, POST, label)
            best = max(said.channels, key=lambda c: said.channels[c].weight)
            a, b, _ = max(said.parts, key=lambda part: part[2].weight)
            found_channel.append(best == channel)
            shared = min(b, last) - max(a, first)
            found_part.append(shared >= 0.5 * min(b - a, last - first))
    assert np.mean(found_channel) >= 0.9
    assert np.mean(found_part) >= 0.9


def test_weights_come_from_the_probabilities_that_are_shown(model: Model) -> None:
    planted = Planted("burst", 0)
    window, channel, _, _ = planted.window("k0")
    said = why.explain(model, window, PRE, POST, "k0")
    one = said.channels[channel]
    expected = (said.probability - one.without + one.alone - said.nothing) / 2
    assert one.weight == pytest.approx(expected)
    assert one.without < said.probability
    assert one.alone > said.nothing
    edges = [a for a, _, _ in said.parts] + [said.parts[-1][1]]
    assert edges[0] == PRE
    assert edges[-1] == len(window) - POST
    assert edges == sorted(edges)
    text = said.sentence([c.name for c in planted.profile.channels], 50.0, PRE)
    assert f"c{channel}" in text
    assert "without it" in text


@pytest.mark.parametrize("n", [1, 2, 3, 9])
def test_the_shortest_windows_are_explained_too(model: Model, n: int) -> None:
    window = np.random.default_rng(0).normal(0, 1, (n, model.n_channels))
    said = why.explain(model, window.astype(np.float32), 0, 0, "k1")
    assert len(said.channels) == model.n_channels
    assert said.parts[0][0] == 0
    assert said.parts[-1][1] == n


def test_work_is_bounded_however_large_the_window(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(why, "MOST_VALUES", 0)
    monkeypatch.setattr(why, "LEAST_CHANNELS", 2)
    planted = Planted("burst", 0)
    window, channel, _, _ = planted.window("k0")
    said = why.explain(model, window, PRE, POST, "k0")
    assert len(said.channels) == 2
    assert channel in said.channels  # it moves most


@pytest.mark.parametrize(
    ("window", "label"),
    [
        (np.zeros((9, 1), np.float32), "k0"),
        (np.zeros((0, 5), np.float32), "k0"),
        (np.zeros((9, 5), np.float32), "wave"),
    ],
)
def test_what_is_not_the_models_is_refused(
    model: Model, window: Float32Array, label: str
) -> None:
    with pytest.raises(InvalidReadings):
        why.explain(model, window, 0, 0, label)


def test_without_labelled_events_none_is_near() -> None:
    row = np.zeros(3, np.float32)
    assert why.nearest(row, np.zeros((0, 3), np.float32), 5) == []
    assert why.nearest(row, np.zeros((2, 3), np.float32), 1) == [(0, 0.0)]
