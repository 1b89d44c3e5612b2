"""What a stream says of gaps, holes, clocks and ends."""

from datetime import UTC, datetime

import numpy as np
import pytest

from app.detection import Stream
from app.detection.recut import cut_out
from app.domain import (
    Channel,
    DetectorVersion,
    Event,
    Flag,
    Gap,
    Onset,
    Profile,
    Readings,
    Retraction,
    event_id,
)
from app.errors import InvalidDetector, InvalidReadings

from .signals import quick

RATE_HZ = 20.0
START = 1_700_000_000.0


def stream(n_channels=2, max_gap_seconds=None, **settings) -> Stream:
    channels = tuple(Channel(f"c{i}") for i in range(n_channels))
    profile = Profile(
        "band", channels, RATE_HZ, max_hold_seconds=0.5, max_gap_seconds=max_gap_seconds
    )
    version = DetectorVersion(4, "band", {**quick("energy"), **settings})
    return Stream(profile, version, "d", "b")


def noise(n=400, n_channels=2, events=((300, 320),)):
    """Quiet noise with loud events, float32 (n, n_channels)."""
    rng = np.random.default_rng(7)
    values = rng.normal(0, 1, (n, n_channels))
    for a, b in events:
        values[a:b] += rng.normal(0, 40, (b - a, n_channels))
    return values.astype(np.float32)


def readings(values, first_seq=1, times=None, device_times=False):
    if times is None:
        times = START + (first_seq - 1 + np.arange(len(values))) / RATE_HZ
    return Readings(first_seq, values, times, device_times)


def events(said):
    return [e for e in said if isinstance(e, Event)]


def test_an_event_has_its_numbers_times_and_window():
    values = noise()
    (event,) = events(stream().receive(readings(values)))
    assert 294 <= event.onset_seq - 1 <= 302
    assert 318 <= event.offset_seq - 1 <= 326
    assert event.id == event_id("d", "b", event.onset_seq, 4)
    assert event.onset == datetime.fromtimestamp(
        START + (event.onset_seq - 1) / RATE_HZ, UTC
    )
    assert event.offset > event.onset
    assert (event.pre_roll, event.post_roll, event.flags) == (8, 6, ())
    first = event.onset_seq - 1 - 8
    assert np.array_equal(event.window, values[first : first + len(event.window)])
    assert event.window.dtype == np.float32


def test_an_onset_is_said_while_the_event_is_open():
    current = stream()
    values = noise()
    said = current.receive(readings(values[:310]))
    assert [type(s) for s in said] == [Onset]
    opened = current.provisional()
    assert opened is not None
    event, window, pre_roll = opened
    assert event == said[0].event
    assert pre_roll == 8
    assert len(window) == 310 - (said[0].onset_seq - 1) + 8
    (ended,) = current.receive(readings(values[310:], 311))
    assert ended.id == event
    assert current.provisional() is None


def test_what_comes_to_nothing_is_retracted():
    current = stream(min_seconds=1.5)
    values = noise(events=((300, 303),))
    said = []
    for at in range(0, 400, 5):
        said += current.receive(readings(values[at : at + 5], at + 1))
    onset, retraction = said
    assert retraction == Retraction(onset.event)


def test_readings_out_of_turn_are_refused():
    current = stream()
    with pytest.raises(ValueError, match="first_seq=2 must be next_seq=1"):
        current.receive(readings(noise()[:5], 2))
    with pytest.raises(InvalidReadings, match="3 channels"):
        current.receive(readings(noise(n_channels=3)[:5]))


def test_an_announced_gap_closes_the_open_event_and_is_recorded():
    current = stream()
    current.receive(readings(noise()[:315]))
    (event,) = current.skip(501, "overflow")
    assert event.flags == (Flag.GAP,)
    assert event.offset_seq == 316
    assert current.take_gaps() == [Gap(316, 501, "overflow")]
    assert current.take_gaps() == []
    assert current.next_seq == 501
    (later,) = events(current.receive(readings(noise(), 501)))
    assert 794 <= later.onset_seq <= 803
    with pytest.raises(ValueError, match="at least"):
        current.skip(3, "back")


def test_an_event_that_ended_before_the_gap_is_not_flagged():
    current = stream(post_seconds=4.0, merge_seconds=0.0)
    current.receive(readings(noise()[:345]))
    (event,) = current.skip(400, "lost")
    assert event.flags == ()
    assert event.post_roll == 345 - (event.offset_seq - 1)


def test_the_end_of_the_stream_closes_the_open_event():
    current = stream()
    current.receive(readings(noise()[:315]))
    (event,) = current.close()
    assert event.flags == (Flag.ENDED,)
    assert event.post_roll == 0
    assert event.offset.timestamp() == pytest.approx(START + 315 / RATE_HZ)
    assert current.close() == []


def test_an_event_of_the_longest_duration_is_truncated_and_the_next_begins_there():
    values = noise(events=((300, 370),))
    first, second = events(stream().receive(readings(values)))
    assert first.flags == (Flag.TRUNCATED,)
    assert first.offset_seq - first.onset_seq == 40
    assert second.onset_seq == first.offset_seq


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_short_hole_is_held_counted_and_flagged(bad):
    values = noise()
    values[305:308, 1] = bad
    current = stream()
    (event,) = events(current.receive(readings(values)))
    assert event.flags == (Flag.REPAIRED,)
    rows = slice(305 - (event.onset_seq - 1 - 8), None)
    assert (event.window[rows][:3, 1] == values[304, 1]).all()
    assert current.missing.tolist() == [0, 3]
    assert current.take_gaps() == []


def test_a_value_outside_its_limits_is_as_good_as_none():
    values = noise(events=((120, 140), (300, 320)))
    values[305:308, 1] = 65535.0
    values[50, 0] = -41.0
    without = values.copy()
    without[(values < [-40.0, -np.inf]) | (values > [np.inf, 1000.0])] = np.nan
    ours = stream(limits={"c0": [-40.0, None], "c1": [None, 1000.0]})
    theirs = stream()
    said = events(ours.receive(readings(values)))
    as_none = events(theirs.receive(readings(without)))
    assert len(said) == 2
    assert [(e.onset, e.offset, e.flags) for e in said] == [
        (e.onset, e.offset, e.flags) for e in as_none
    ]
    assert said[1].window.max() < 1000.0
    assert (ours.missing == theirs.missing).all()
    assert ours.outside == np.isnan(without).sum()
    assert theirs.outside == 0


def test_limits_hold_to_the_value_as_it_was_sent():
    current = stream(n_channels=1, limits={"c0": [0.1, 0.3]})
    values = np.array([[0.1], [0.3], [0.2]], np.float32)
    current.receive(readings(values))
    assert current.missing.tolist() == [0]


def test_an_event_that_a_person_cuts_out_keeps_to_the_limits_too():
    values = noise(events=())
    values[50, 0] = 65535.0
    settings = {**quick("energy"), "limits": {"c0": [None, 1000]}}
    version = DetectorVersion(4, "band", settings)
    profile = Profile("band", (Channel("c0"), Channel("c1")), RATE_HZ)
    event = cut_out(profile, version, "d", "b", readings(values), 41, 61)
    assert Flag.REPAIRED in event.flags
    assert event.window.max() < 1000


def test_limits_of_no_channel_are_refused():
    with pytest.raises(InvalidDetector, match="limits of 'x': the channels are c0, c1"):
        stream(limits={"x": [0, 1]})


def test_a_long_hole_is_a_gap():
    values = noise()
    values[305:350, 0] = np.nan
    current = stream()
    event, *_ = events(current.receive(readings(values)))
    assert set(event.flags) == {Flag.GAP, Flag.REPAIRED}
    (gap,) = current.take_gaps()
    # ten readings are held, then nothing can be said until the channel is back
    assert (gap.first_seq, gap.next_seq) == (316, 351)


def test_a_channel_that_never_had_a_value_is_left_out():
    values = noise(n_channels=3)
    values[:, 2] = np.nan
    current = stream(3)
    (event,) = events(current.receive(readings(values)))
    assert event.flags == ()
    assert (event.window[:, 2] == 0).all()
    assert current.take_gaps() == []
    assert current.missing.tolist() == [0, 0, 400]


def test_a_channel_that_broke_stops_the_others_only_for_a_while():
    values = noise(n=1600, events=((1500, 1520),))
    values[300:, 0] = np.nan
    current = stream()
    (event,) = events(current.receive(readings(values)))
    assert event.onset_seq > 1490
    (gap,) = current.take_gaps()
    assert (gap.first_seq, gap.next_seq) == (311, 912)


def test_without_any_value_nothing_is_said_but_a_gap():
    current = stream()
    assert current.receive(readings(np.full((100, 2), np.nan, np.float32))) == []
    assert current.close() == []
    assert [(g.first_seq, g.next_seq) for g in current.take_gaps()] == [(1, 101)]


def test_device_times_too_far_apart_are_a_gap():
    times = START + np.arange(400) / RATE_HZ
    times[310:] += 60
    current = stream(max_gap_seconds=2.0)
    event, *_ = events(current.receive(readings(noise(), 1, times, device_times=True)))
    assert event.flags == (Flag.GAP,)
    assert event.offset_seq == 311
    (gap,) = current.take_gaps()
    assert (gap.first_seq, gap.next_seq) == (311, 311)
    assert "max_gap_seconds" in gap.why


@pytest.mark.parametrize("jump", [-5.0, 60.0])
def test_a_jump_of_the_clock_is_flagged_and_changes_nothing_else(jump):
    times = START + np.arange(400) / RATE_HZ
    times[310:] += jump
    current = stream()
    (event,) = events(current.receive(readings(noise(), 1, times, device_times=True)))
    (plain,) = events(stream().receive(readings(noise())))
    assert event.flags == (Flag.CLOCK,)
    assert (event.onset_seq, event.offset_seq) == (plain.onset_seq, plain.offset_seq)


def test_a_jump_at_the_very_offset_is_flagged_too():
    (plain,) = events(stream().receive(readings(noise())))
    for at, flags in ((plain.offset_seq - 1, (Flag.CLOCK,)), (plain.offset_seq, ())):
        times = START + np.arange(400) / RATE_HZ
        times[at:] += 60
        jumping = readings(noise(), 1, times, device_times=True)
        (event,) = events(stream().receive(jumping))
        assert event.flags == flags


def test_arrival_times_show_no_gap_and_no_jump():
    times = START + np.arange(400) / RATE_HZ
    times[310:] += 60
    current = stream(max_gap_seconds=2.0)
    (event,) = events(current.receive(readings(noise(), 1, times)))
    assert event.flags == ()
    assert current.take_gaps() == []


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -1e300, 1e300])
def test_an_impossible_time_does_not_stop_the_stream(wrong):
    times = np.full(400, wrong)
    (event,) = events(stream().receive(readings(noise(), 1, times, device_times=True)))
    assert event.onset.tzinfo is UTC


def test_memory_is_bounded_whatever_comes():
    current = stream()
    values = noise(20_000, events=((300, 320), (1000, 20_000)))
    for at in range(0, 20_000, 1000):
        current.receive(readings(values[at : at + 1000], at + 1))
        assert len(current.state()) < 8192
        # pre-roll, longest event, post-roll, and the smoothing's delay
        assert len(current.held_from(0)) < 3000


def test_a_state_that_does_not_fit_is_refused():
    current = stream()
    current.receive(readings(noise()[:310]))
    state = current.state()
    profile = Profile("band", (Channel("c0"), Channel("c1")), RATE_HZ)
    version = DetectorVersion(4, "band", quick("energy"))
    with pytest.raises(ValueError, match="not 300"):
        Stream.restore(profile, version, "d", "b", next_seq=300, state=state)
    with pytest.raises(ValueError, match="of the open event are missing"):
        Stream.restore(profile, version, "d", "b", next_seq=311, state=state)
    other = DetectorVersion(5, "band", quick("sta_lta"))
    with pytest.raises(ValueError, match="state"):
        Stream.restore(profile, other, "d", "b", next_seq=311, state=state)
