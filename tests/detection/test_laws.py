"""What is true of every detector; a new one is found here by itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.detection import DETECTORS, build, trigger

from .signals import QUICK, QUIET, RATE_HZ, bursts, cuts, pieces, quick

kinds = pytest.mark.parametrize("kind", sorted(QUICK))
quiet = pytest.mark.parametrize("kind", QUIET)
seeds = st.integers(0, 2**31)
scales = st.sampled_from([1e-6, 1.0, 3.3e4])


@kinds
@settings(max_examples=40, deadline=None)
@given(seed=seeds, n_channels=st.integers(1, 5), cut=cuts, scale=scales)
def test_spans_and_state_do_not_depend_on_cuts(kind, seed, n_channels, cut, scale):
    values = bursts(seed, 400, n_channels, scale, offset=5 * scale)
    whole = build(quick(kind, n_channels), RATE_HZ, n_channels)
    expected = whole.update(values)
    cutting = build(quick(kind, n_channels), RATE_HZ, n_channels)
    found = []
    for piece in pieces(len(values), cut):
        found += cutting.update(values[piece])
    assert found == expected
    assert cutting.state() == whole.state()
    assert cutting.open_onset == whole.open_onset
    assert cutting.flush() == whole.flush()


@kinds
@settings(max_examples=25, deadline=None)
@given(seed=seeds, n=st.integers(1, 400), n_channels=st.integers(1, 3))
def test_one_reading_at_a_time_is_the_same_as_all_at_once(kind, seed, n, n_channels):
    values = bursts(seed, 400, n_channels)[:n]
    whole = build(quick(kind, n_channels), RATE_HZ, n_channels)
    single = build(quick(kind, n_channels), RATE_HZ, n_channels)
    expected = whole.update(values)
    found = [span for i in range(n) for span in single.update(values[i : i + 1])]
    assert found == expected
    assert single.state() == whole.state()


@kinds
@settings(max_examples=25, deadline=None)
@given(seed=seeds, n_channels=st.integers(1, 5), cut=cuts)
def test_a_restored_detector_goes_on_exactly(kind, seed, n_channels, cut):
    values = bursts(seed, 400, n_channels)
    whole = build(quick(kind, n_channels), RATE_HZ, n_channels)
    expected = whole.update(values)
    detector = build(quick(kind, n_channels), RATE_HZ, n_channels)
    found = []
    for piece in pieces(len(values), cut):
        found += detector.update(values[piece])
        state = detector.state()
        detector = build(quick(kind, n_channels), RATE_HZ, n_channels)
        detector.restore(state)
        assert detector.state() == state
    assert found == expected
    assert detector.flush() == whole.flush()


def test_every_detector_is_put_through_the_laws():
    assert {name.split()[0] for name in QUICK} == set(DETECTORS)


@quiet
@settings(max_examples=40, deadline=None)
@given(seed=seeds, n_channels=st.integers(1, 3), scale=scales)
def test_spans_are_ordered_disjoint_and_within_limits(kind, seed, n_channels, scale):
    values = bursts(seed, 600, n_channels, scale)
    detector = build(quick(kind, n_channels), RATE_HZ, n_channels)
    spans = detector.update(values) + detector.flush()
    end = 0
    for span in spans:
        assert end <= span.onset < span.offset <= len(values)
        assert 4 <= span.offset - span.onset <= 40
        assert span.truncated == (span.offset - span.onset == 40)
        assert span.peak > 0
        end = span.offset


@kinds
@settings(max_examples=20, deadline=None)
@given(seed=seeds, cut=cuts)
def test_new_onsets_are_within_look_back(kind, seed, cut):
    values = bursts(seed, 400, 2)
    detector = build(quick(kind, 2), RATE_HZ, 2)
    seen = 0
    for piece in pieces(len(values), sorted([*cut, *range(400)])):
        known = detector.open_onset
        found = detector.update(values[piece])
        new = [s.onset for s in found] + [detector.open_onset]
        for onset in new:
            if onset is not None and onset != known:
                assert onset >= seen - detector.look_back
        seen = max(seen, piece.stop)


@kinds
def test_readings_are_left_as_they_are(kind):
    values = bursts(1, 500, 3)
    before = values.copy()
    build(quick(kind, 3), RATE_HZ, 3).update(values, np.arange(500.0))
    assert np.array_equal(values, before)


@kinds
def test_state_stays_as_small_as_it_began(kind):
    detector = build(quick(kind, 6), 50.0, 6)
    detector.update(bursts(1, 1000, 6))
    size = len(detector.state())
    for seed in range(10):
        detector.update(bursts(seed, 5000, 6))
    assert len(detector.state()) == size
    assert size < 4608


@quiet
@pytest.mark.parametrize("value", [0.0, -3.25, 1e30])
def test_a_stream_stuck_at_one_value_has_no_event(kind, value):
    detector = build({"kind": kind}, 50.0, 2)
    assert detector.update(np.full((20_000, 2), value)) + detector.flush() == []
    assert detector.open_onset is None


@quiet
@pytest.mark.parametrize("rate_hz", [1 / 60, 1.0, 50.0, 4000.0])
def test_a_plain_event_is_found_at_any_rate(kind, rate_hz):
    n = int(max(800, 60 * rate_hz))
    length = int(max(40, 2 * rate_hz))
    values = np.random.default_rng(3).normal(5, 1, (n, 2))
    values[n - 3 * length : n - 2 * length] += (
        40 * np.sin(np.arange(length) * 2.0)[:, None]
    )
    unlimited = {"kind": kind, "max_seconds": 86_400.0, "min_seconds": 0.0}
    detector = build(unlimited, rate_hz, 2)
    spans = detector.update(values) + detector.flush()
    assert any(abs(s.onset - (n - 3 * length)) < length / 2 for s in spans)


@kinds
def test_a_state_of_another_detector_is_refused(kind):
    detector = build(quick(kind, 2), 50.0, 2)
    with pytest.raises(ValueError, match="state"):
        detector.restore(b"ABCD" + detector.state()[4:])
    if not kind.startswith("windows"):
        with pytest.raises(ValueError, match="bytes"):
            build(quick(kind, 3), 50.0, 3).restore(detector.state())
    with pytest.raises(ValueError, match="cut short"):
        detector.restore(b"")


@kinds
@settings(max_examples=25, deadline=None)
@given(seed=seeds, n_channels=st.integers(1, 3), cut=cuts)
def test_near_misses_lie_in_the_stream_and_do_not_depend_on_cuts(
    kind, seed, n_channels, cut
):
    values = bursts(seed, 400, n_channels)
    whole = build(quick(kind, n_channels), RATE_HZ, n_channels)
    spans = whole.update(values)
    cutting = build(quick(kind, n_channels), RATE_HZ, n_channels)
    for piece in pieces(len(values), cut):
        cutting.update(values[piece])
    nears = whole.near_misses()
    assert nears == cutting.near_misses()
    assert len(nears) <= trigger.NEAR_KEPT
    assert [n.offset for n in nears] == sorted(n.offset for n in nears)
    for near in nears:
        assert 0 <= near.onset < near.offset <= len(values)
        assert 0.5 <= near.score <= 1.0
        assert (near.onset, near.offset) not in {(s.onset, s.offset) for s in spans}


@pytest.mark.parametrize("kind", [*QUIET, "regimes", "scored", "windows by gaps"])
def test_every_detector_that_can_say_no_remembers_near_misses(kind):
    seen = []
    for seed in range(20):
        detector = build({**quick(kind, 2), **FUSSY.get(kind, {})}, RATE_HZ, 2)
        values = bursts(seed, 400, 2)
        # pauses of 2 s after every fifth, ninth and sixteenth reading
        at = np.arange(400)
        steps = 0.05 + 2.0 * (np.isin(at % 16, (0, 5, 9)))
        detector.update(values, np.cumsum(steps))
        seen += detector.near_misses()
    assert seen


FUSSY = {"windows by gaps": {"min_readings": 8}}
"""What makes a kind say no."""
