"""What is true of the detector that learns, and of its features and its model."""

import base64
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.detection import build, scores, ticks, trigger
from app.detection.scored import log_odds, walk
from app.detection.scores import LEAF, Scorer, silent
from app.errors import InvalidDetector

from .signals import RATE_HZ, bursts, loud, quick


def spans_of(values, **more):
    n_channels = values.shape[1]
    detector = build({**quick("scored", n_channels), **more}, RATE_HZ, n_channels)
    found = detector.update(values) + detector.flush()
    return [(span.onset, span.offset) for span in found]


def test_events_are_where_the_model_says():
    values = np.random.default_rng(1).normal(5, 1, (600, 2))
    values[300:330] += 30
    values[420:440] -= 30
    (first, second) = spans_of(values)
    assert abs(first[0] - 300) <= 6
    assert abs(first[1] - 330) <= 6
    assert abs(second[0] - 420) <= 6
    assert abs(second[1] - 440) <= 6


def test_more_lean_means_fewer_events_and_a_silent_model_none():
    values = bursts(2, 4000, 2)
    found = [len(spans_of(values, lean=lean)) for lean in (0.0, 3.0, 20.0)]
    assert found[0] > found[1] > found[2] == 0
    assert spans_of(values, model=silent(2).to_text()) == []


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_walk_is_the_most_probable_sequence_of_two_states(seed):
    """Against Viterbi's algorithm over the whole sequence, which knows the future."""
    odds = np.random.default_rng(seed).normal(0, 1, 200).cumsum() % 3 - 1.5
    change = 4.0
    best = np.zeros((len(odds) + 1, 2))
    came = np.zeros((len(odds), 2), int)
    best[0] = 0, -np.inf
    for t, odd in enumerate(odds):
        for state in (0, 1):
            stay, move = best[t, state], best[t, 1 - state] - change / 2
            came[t, state] = state if stay >= move else 1 - state
            best[t + 1, state] = max(stay, move) + (odd if state else 0.0)
    state = 0 if best[-1, 0] >= best[-1, 1] - change / 2 else 1
    path = []
    for t in range(len(odds) - 1, -1, -1):
        path.append(state)
        state = came[t, state]
    expected = np.flatnonzero(np.diff([0, *path[::-1], 0])).reshape(-1, 2).tolist()
    slots, out = np.zeros(trigger.SLOTS, np.int64), np.zeros(4)
    trigger.start(slots)
    floats = np.zeros(5)
    limits = np.array([0, 10_000, 0, 9_998, 1, 1, 0, 0])
    params = np.array([0, 0, 0, 0, change, 0.0])
    found = []
    for t, odd in enumerate(np.append(odds, np.full(20, -2.0))):
        if walk(odd, t, params, limits, slots, floats, out):
            found.append([int(out[0]), int(out[1])])
    # The tail settles what is open; what it decides differently is at the end only.
    n = min(len(found), len(expected)) - 1
    assert found[:n] == expected[:n]
    assert abs(len(found) - len(expected)) <= 1


def test_features_are_those_that_the_detector_sees():
    values = bursts(3, 900, 3)
    features = ticks.features_of(values, RATE_HZ)
    model = loud(3)
    params = np.concatenate([np.zeros(6), model.flat()])
    limits = np.array([0, 0, 0, 0, 2, 2, 0, 1, 0])
    plain = features @ model.weights + model.intercept
    now = 3 * ticks.width(3)
    tree = np.where(
        features[:, now + 3] <= 1.0, -1.0, np.where(features[:, now + 1] <= 1.5, 0.5, 1)
    )
    said = [log_odds(row, params, limits) for row in features]
    assert np.allclose(said, plain + tree)


def test_features_of_a_tick_are_plain_means_over_windows():
    values = bursts(4, 2000, 2, offset=3.0)
    features = ticks.features_of(values, 100.0).reshape(200, ticks.WINDOWS, -1)
    spread = np.log(values.reshape(200, 10, 2).std(axis=1))
    at = 100
    for w in range(ticks.WINDOWS):
        rows = slice(at + ticks.EDGES[w], at + ticks.EDGES[w + 1])
        mean = features[at, w, ticks.OVERALL + 2 :]
        assert np.allclose(mean, spread[rows].mean(axis=0), atol=0.1)
    assert features.shape[2] == ticks.width(2) == 8


def test_features_do_not_depend_on_what_comes_more_than_a_second_later():
    values = bursts(5, 400, 2)
    whole = ticks.features_of(values, RATE_HZ)
    part = ticks.features_of(values[:300], RATE_HZ)
    known = 150 - ticks.AHEAD
    assert np.array_equal(whole[:known], part[:known])
    assert not np.array_equal(whole[known:150], part[known:])


@pytest.mark.parametrize("value", [0.0, -3.25, 1e30])
def test_a_stuck_stream_has_finite_features_and_no_event(value):
    values = np.full((2000, 2), value)
    assert np.isfinite(ticks.features_of(values, 50.0)).all()
    assert spans_of(values) == []


def test_model_survives_its_text():
    model = loud(5)
    again = Scorer.from_text(model.to_text())
    assert np.array_equal(again.flat(), model.flat())
    assert again.to_text() == model.to_text()
    assert len(silent(256).to_text()) < 1000


def test_model_for_other_channels_is_refused():
    with pytest.raises(InvalidDetector, match="for 2 channels, the profile has 3"):
        build({"kind": "scored", "model": silent(2).to_text()}, 50.0, 3)


def repacked(change) -> str:
    data = bytearray(zlib.decompress(base64.b64decode(loud(1).to_text())))
    return base64.b64encode(zlib.compress(bytes(change(data)))).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no base64!",
        base64.b64encode(b"no zlib").decode(),
        loud(1).to_text()[:-8],
        base64.b64encode(zlib.compress(b"short")).decode(),
        base64.b64encode(zlib.compress(bytes(5 * scores.MOST_TEXT))).decode(),
        repacked(lambda data: b"XXXX" + data[4:]),
        repacked(lambda data: data[:4] + b"\x09\x00" + data[6:]),
        repacked(lambda data: data[:-1]),
    ],
)
def test_text_that_is_no_model_is_refused(text):
    with pytest.raises(InvalidDetector, match="model"):
        Scorer.from_text(text)


@pytest.mark.parametrize(
    "change",
    [
        {"left": np.array([0, 0, 3, 0, 0], np.int32)},
        {"left": np.array([1, 0, 4, 0, 0], np.int32)},
        {"feature": np.array([99, LEAF, 3, LEAF, LEAF], np.int16)},
        {"threshold": np.array([np.nan, 0, 0, 0, 0], np.float32)},
        {"roots": np.array([5], np.int32)},
        {"intercept": float("inf")},
        {"weights": np.zeros(3, np.float32)},
    ],
)
def test_model_whose_trees_do_not_end_is_refused(change):
    model = loud(1)
    fields = {name: getattr(model, name) for name in Scorer.__slots__}
    with pytest.raises(InvalidDetector, match="model"):
        Scorer(**{**fields, **change})


@pytest.mark.parametrize("value", [0.0, 3.25])
def test_a_dead_channel_looks_like_the_others_to_a_model(value):
    values = np.random.default_rng(4).normal(5, 1, (3000, 3))
    values[:, 1] = value
    rows = ticks.features_of(values, RATE_HZ)[-50:]
    width = ticks.width(3)
    for window in range(ticks.WINDOWS):
        spreads = rows[:, window * width + ticks.OVERALL + 3 :][:, :3]
        others = (spreads[:, 0] + spreads[:, 2]) / 2
        assert spreads[:, 1] == pytest.approx(others, abs=1e-5)
