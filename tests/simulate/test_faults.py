import numpy as np
import pytest

from app.simulate.faults import Fault, Kind, Way, plan, random_faults
from app.simulate.recording import Recording


@pytest.fixture
def recording() -> Recording:
    t = np.arange(100) / 10
    values = np.random.default_rng(0).standard_normal((100, 2)).astype(np.float32)
    return Recording("d", "1", ("x", "y"), 10.0, t, values)


def sent(recording: Recording, *faults: Fault) -> list[int]:
    deliveries = plan(recording, faults, 0.5).deliveries
    return [i for d in deliveries for i in range(d.first, d.stop)]


def test_without_faults_everything_is_sent_once_in_order(recording: Recording):
    script = plan(recording, (), 0.5)
    assert sent(recording) == list(range(100))
    assert np.array_equal(script.values, recording.values)
    assert np.array_equal(script.clock, recording.t)


def test_value_faults_hit_their_channel_and_time_only(recording: Recording):
    for kind in (Kind.SPIKE, Kind.STUCK, Kind.MISSING, Kind.DRIFT):
        spoilt = plan(recording, [Fault(kind, 5.0, 1.0, channel=1)], 0.5).values
        assert np.array_equal(spoilt[:, 0], recording.values[:, 0])
        assert np.array_equal(spoilt[:50, 1], recording.values[:50, 1])
        assert not np.array_equal(spoilt[50:, 1], recording.values[50:, 1])


def test_stuck_sensor_repeats_its_value(recording: Recording):
    spoilt = plan(recording, [Fault(Kind.STUCK, 5.0, 1.0)], 0.5).values
    assert (spoilt[50:60] == recording.values[50]).all()
    assert np.array_equal(spoilt[60:], recording.values[60:])


def test_clock_faults_change_times_but_no_value(recording: Recording):
    jump = plan(recording, [Fault(Kind.CLOCK_JUMP, 5.0, size=-2.0)], 0.5)
    skew = plan(recording, [Fault(Kind.CLOCK_SKEW, 5.0, 2.0, size=0.5)], 0.5)
    assert jump.clock[50] == pytest.approx(3.0)
    assert skew.clock[-1] == pytest.approx(recording.t[-1] + 1.0)
    assert np.array_equal(jump.values, recording.values)


def test_gap_loses_readings_and_nothing_else(recording: Recording):
    got = sent(recording, Fault(Kind.GAP, 5.0, 0.9))
    assert got == [*range(50), *range(59, 100)]


def test_duplicates_repeat_readings_that_were_sent(recording: Recording):
    deliveries = plan(recording, [Fault(Kind.DUPLICATE, 5.0, 0.4)], 0.5).deliveries
    twice = [d for d in deliveries if d.first == 50]
    assert [d.way for d in twice] == [Way.NEW, Way.AGAIN]
    assert sum(d.way is Way.NEW for d in deliveries) == 21  # one chunk cut in two


def test_reordering_begins_with_a_broken_line(recording: Recording):
    deliveries = plan(recording, [Fault(Kind.REORDER, 5.0, 0.4)], 0.5).deliveries
    assert [d.first for d in deliveries if d.way is Way.BROKEN] == [50]
    assert sent(recording, Fault(Kind.REORDER, 5.0, 0.4)) == list(range(100))


def test_burst_holds_readings_back_until_its_end(recording: Recording):
    deliveries = plan(recording, [Fault(Kind.BURST, 5.0, 2.0)], 0.5).deliveries
    late = [d for d in deliveries if 50 <= d.first < 70]
    assert {d.at for d in late} == {7.0}
    assert [d.at for d in deliveries] == sorted(d.at for d in deliveries)


def test_random_faults_are_seeded_and_of_every_kind():
    draw = [random_faults(3600, 4, 3, np.random.default_rng(1)) for _ in range(2)]
    assert draw[0] == draw[1]
    assert {f.kind for f in draw[0]} == set(Kind)
