"""The fault catalogue is green on the product, and red where a guard is taken away."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from app.detection import Stream
from app.detection.cut import Cutter
from app.domain import Channel, DetectorVersion, Profile, Readings
from app.simulate.catalogue import CATALOGUE, CHANNELS, RATE_HZ, Case, Seen, recording
from app.simulate.faults import Kind, Script, Way, plan
from tests.simulate.witness import seen_of

CASES = {str(case.name): case for case in CATALOGUE}
CHUNK_SECONDS = 0.5


class Service:
    """What a service does with deliveries; each method is a guard."""

    def __init__(self, **profile: float) -> None:
        channels = tuple(Channel(name) for name in CHANNELS)
        self.profile = Profile("p", channels, RATE_HZ, **profile)
        self.stream = Stream(self.profile, DetectorVersion(1, "p", {}), "d", "b")
        self.said: list[object] = []
        self.pieces: list[Readings] = []
        self.way = Way.NEW

    def again(self, readings: Readings) -> None:
        """Readings that are known already are not taken."""

    def lost(self, to_seq: int) -> None:
        self.said += self.stream.skip(to_seq, "lost")

    def take(self, readings: Readings) -> None:
        self.pieces.append(readings)
        self.said += self.stream.receive(readings)

    def play(self, script: Script, times: np.ndarray) -> None:
        for delivery in script.deliveries:
            rows = slice(delivery.first, delivery.stop)
            values, at = script.values[rows], times[rows]
            readings = Readings(delivery.first + 1, values, at, True)
            self.way = delivery.way
            if delivery.way is Way.AGAIN:
                self.again(readings)
                continue
            if readings.first_seq > self.stream.next_seq:
                self.lost(readings.first_seq)
            self.take(readings)
        self.said += self.stream.close()


def seen(case: Case, make: Callable[[], Service]) -> Seen:
    one = recording("d")
    script = plan(one, case.faults, CHUNK_SECONDS)
    times = 1e9 + script.clock
    service = make()
    service.play(script, times)
    return seen_of(one, script, times, service.said, service.pieces)


def problems(name: str, make: Callable[[], Service] = Service) -> list[str]:
    return CASES[name].judge(seen(CASES[name], make), seen(CATALOGUE[0], Service))


@pytest.mark.parametrize("name", CASES)
def test_every_fault_does_what_it_must(name: str):
    assert problems(name) == []


def test_every_kind_of_fault_is_in_the_catalogue():
    kinds = {fault.kind for case in CATALOGUE for fault in case.faults}
    assert kinds == set(Kind)
    assert not CATALOGUE[0].faults


class TakesTwice(Service):
    def again(self, readings: Readings) -> None:
        self.pieces.append(readings)


class KeepsNoGap(Service):
    def lost(self, to_seq: int) -> None:
        hole = to_seq - self.stream.next_seq
        first = self.stream.next_seq
        still = np.zeros((hole, len(CHANNELS)), np.float32)
        self.take(Readings(first, still, np.full(hole, 1e9 + first / RATE_HZ), True))


class BeginsAnewWithEachLine(Service):
    def take(self, readings: Readings) -> None:
        super().take(readings)
        if self.way is Way.BROKEN:
            self.said += self.stream.close()


class LosesReadings(Service):
    def take(self, readings: Readings) -> None:
        if readings.first_seq == 1001:
            self.lost(1001 + len(readings))
        else:
            super().take(readings)


@pytest.mark.parametrize(
    ("guardless", "name"),
    [
        (TakesTwice, Kind.DUPLICATE),
        (KeepsNoGap, Kind.GAP),
        (BeginsAnewWithEachLine, Kind.REORDER),
        (LosesReadings, "none"),
        (lambda: Service(max_hold_seconds=0.0), Kind.MISSING),
        (lambda: Service(max_hold_seconds=60.0), "missing for long"),
    ],
)
def test_a_service_without_a_guard_is_red(guardless: Callable[[], Service], name: str):
    assert problems(str(name), guardless)


@pytest.mark.parametrize("name", ["stuck", "missing", "clock_jump", "gap"])
def test_flags_that_are_lost_are_seen(name: str, monkeypatch: pytest.MonkeyPatch):
    cut = Cutter.event
    monkeypatch.setattr(
        Cutter, "event", lambda self, *given: replace(cut(self, *given), flags=())
    )
    assert any("is flagged" in one for one in problems(name))
