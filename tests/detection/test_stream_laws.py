"""However readings are cut, and wherever a stream is restored, the same comes out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.detection import Stream
from app.domain import Channel, DetectorVersion, Event, Gap, Profile, Readings

from .signals import QUICK, QUIET, RATE_HZ, bursts, cuts, holes, pieces, quick

kinds = pytest.mark.parametrize("kind", sorted(QUICK))
seeds = st.integers(0, 2**31)
N = 400


def profile(n_channels: int, **more) -> Profile:
    channels = tuple(Channel(f"c{i}") for i in range(n_channels))
    return Profile("band", channels, RATE_HZ, max_hold_seconds=0.15, **more)


def stream(kind: str, of: Profile, **more) -> Stream:
    version = DetectorVersion(3, of.name, {**quick(kind, of.n_channels), **more})
    return Stream(of, version, "d", "b")


def recorded(seed: int, n_channels: int, *, device_times: bool) -> Readings:
    """Bursts with holes, and a clock that jumps both ways."""
    rng = np.random.default_rng(seed)
    steps = np.full(N, 1 / RATE_HZ)
    for at in rng.integers(0, N, 3):
        steps[at] = rng.choice([-3.0, 1.7, 8.0])
    times = 1e9 + np.cumsum(steps)
    values = holes(bursts(seed, N, n_channels), seed, share=0.02)
    return Readings(1, values, times, device_times)


def part(of: Readings, piece: slice) -> Readings:
    return Readings(1 + piece.start, of.values[piece], of.times[piece], of.device_times)


def plain(event: Event) -> tuple:
    values = {k: getattr(event, k) for k in Event.__slots__ if k != "window"}
    return *values.values(), event.window.tobytes(), event.window.shape


def events(said) -> list[tuple]:
    return [plain(e) for e in said if isinstance(e, Event)]


@kinds
@settings(max_examples=60, deadline=None)
@given(
    seed=seeds,
    n_channels=st.integers(1, 3),
    cut=cuts,
    device_times=st.booleans(),
    max_gap=st.sampled_from([None, 5.0]),
)
def test_nothing_depends_on_cuts(kind, seed, n_channels, cut, device_times, max_gap):
    of = profile(n_channels, max_gap_seconds=max_gap)
    all_of = recorded(seed, n_channels, device_times=device_times)
    whole, cutting = stream(kind, of), stream(kind, of)
    expected = events(whole.receive(all_of))
    found, gaps = [], []
    for piece in pieces(N, cut):
        found += events(cutting.receive(part(all_of, piece)))
        gaps += cutting.take_gaps()
    assert found == expected
    assert gaps == whole.take_gaps()
    assert cutting.state() == whole.state()
    assert cutting.missing.tolist() == whole.missing.tolist()
    assert events(cutting.close()) == events(whole.close())
    assert cutting.take_gaps() == whole.take_gaps()
    assert cutting.state() == whole.state()


@kinds
@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_an_event_without_post_roll_has_the_time_of_its_offset_on_any_cut(kind, seed):
    all_of = recorded(seed, 2, device_times=True)
    bare = {"post_seconds": 0.0}
    if kind in QUIET:
        bare |= {"min_seconds": 0.0, "max_seconds": 0.15}
    if kind == "energy":
        bare["smooth_seconds"] = 0.0
    whole, single = (stream(kind, profile(2), **bare) for _ in range(2))
    found = []
    for at in range(N):
        found += events(single.receive(part(all_of, slice(at, at + 1))))
    assert found == events(whole.receive(all_of))


@kinds
@pytest.mark.parametrize("raw", [True, False])
@settings(max_examples=30, deadline=None)
@given(seed=seeds, n_channels=st.integers(1, 3), cut=cuts)
def test_a_restored_stream_goes_on_exactly(kind, raw, seed, n_channels, cut):
    of = profile(n_channels, max_gap_seconds=5.0)
    version = DetectorVersion(3, of.name, quick(kind, of.n_channels))
    all_of = recorded(seed, n_channels, device_times=True)
    whole, current = stream(kind, of), stream(kind, of)
    expected = whole.receive(all_of) + whole.close()
    found, stored = [], []
    for piece in pieces(N, cut):
        found += current.receive(part(all_of, piece))
        opened = current.open_from()
        if opened is None:
            stored = []
        elif raw:
            stored = [part(all_of, slice(opened - 1, piece.stop))]
        else:
            # as the service appends: only what is not stored yet
            known = stored[-1].next_seq if stored else 0
            stored.append(current.held_from(max(opened, known)))
        state = current.state()
        current = Stream.restore(
            of, version, "d", "b", next_seq=piece.stop + 1, state=state, readings=stored
        )
        assert current.state() == state
    found += current.close()
    assert events(found) == events(expected)


@kinds
@settings(max_examples=30, deadline=None)
@given(seed=seeds, cut=cuts)
def test_every_onset_becomes_its_event_or_is_retracted_and_never_twice(kind, seed, cut):
    all_of = recorded(seed, 2, device_times=True)
    current = stream(kind, profile(2, max_gap_seconds=5.0))
    said = []
    for piece in pieces(N, sorted([*cut, *range(0, N, 3)])):
        said += current.receive(part(all_of, piece))
    said += current.close()
    open_ids = set()
    ended = set()
    for output in said:
        name = type(output).__name__
        if name == "Onset":
            assert output.event not in open_ids | ended
            open_ids.add(output.event)
        elif name == "Retraction":
            open_ids.remove(output.event)
        else:
            assert output.id not in ended
            open_ids.discard(output.id)
            ended.add(output.id)
    assert not open_ids


@settings(max_examples=30, deadline=None)
@given(seed=seeds, share=st.sampled_from([0.0, 0.02, 0.3]))
def test_windows_are_finite_and_cut_by_exact_counts(seed, share):
    values = holes(bursts(seed, N, 2), seed, share)
    current = stream("energy", profile(2))
    said = current.receive(Readings(1, values, np.arange(N) / RATE_HZ))
    gaps = current.take_gaps()
    for event in said:
        if not isinstance(event, Event):
            continue
        n = event.offset_seq - event.onset_seq
        assert np.isfinite(event.window).all()
        assert event.window.shape == (event.pre_roll + n + event.post_roll, 2)
        first = event.onset_seq - event.pre_roll
        seen = values[first - 1 : event.offset_seq + event.post_roll - 1]
        good = np.isfinite(seen)
        assert np.array_equal(event.window[good], seen[good])
        assert ("repaired" in event.flags) == (not good.all())
        near = [g for g in gaps if first - 1 <= g.next_seq <= event.offset_seq + 6]
        if not near and first > 1:
            assert event.pre_roll == 8
    assert all(isinstance(g, Gap) and g.first_seq <= g.next_seq for g in gaps)
