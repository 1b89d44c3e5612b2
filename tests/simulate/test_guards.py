"""Every line of the fault catalogue turns red when the guard behind it is taken away.

The service without its sockets and its database: sessions of the protocol, one stream,
and commits of which the last one counts when the line breaks.
"""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from app.detection import Stream, stuck
from app.detection import stream as streams
from app.detection.baseline import THRESHOLD_OFF, THRESHOLD_ON
from app.detection.clean import Cleaner
from app.detection.detector import COUNT, CompiledDetector
from app.detection.energy_block import ROWS
from app.detection.held import NOWHERE, HeldReadings
from app.domain import Channel, DetectorVersion, Profile, Readings
from app.simulate.catalogue import CATALOGUE, CHANNELS, RATE_HZ, Case, Seen, recording
from app.simulate.faults import Kind, Script, Way, plan
from app.wire.actions import Accept, Limits, Skip
from app.wire.intake import Intake
from app.wire.quick import JSON
from app.wire.session import Session
from tests.simulate.witness import seen_of

CHUNK_SECONDS = 1.5
MESSAGES_A_COMMIT = 4
PIECE = 7
"""Readings a message, of those that are sent again."""
PROFILE = Profile("p", tuple(Channel(name) for name in CHANNELS), RATE_HZ)
SETTINGS: dict[str, Any] = {}


class Service:
    def __init__(self) -> None:
        self.version = DetectorVersion(1, "p", dict(SETTINGS))
        self.stream = Stream(PROFILE, self.version, "d", "b")
        self.said: list[object] = []
        self.pieces: list[Readings] = []
        self.connect()

    def connect(self) -> None:
        self.session = Session(JSON, Limits())
        self.session.receive('{"type":"hello","boot":"b"}', 0.0)
        self.session.welcome(
            boot="b",
            generation=1,
            watermark=self.stream.next_seq - 1,
            window=10_000,
            profile=PROFILE,
            detector_version=1,
            model_version=None,
        )
        self.commit()

    def commit(self) -> None:
        opened = self.stream.open_from()
        held = () if opened is None else (self.stream.held_from(opened),)
        self.kept = self.stream.next_seq, self.stream.state(), held
        self.durable = len(self.said), len(self.pieces)
        self.messages = 0

    def crash(self) -> None:
        """What was not committed is as if it had never come."""
        next_seq, state, held = self.kept
        self.stream = Stream.restore(
            PROFILE,
            self.version,
            "d",
            "b",
            next_seq=next_seq,
            state=state,
            readings=held,
        )
        del self.said[self.durable[0] :], self.pieces[self.durable[1] :]
        self.connect()

    def hear(self, message: dict[str, Any], now: float) -> None:
        for action in self.session.receive(json.dumps(message), now):
            if isinstance(action, Accept):
                self.pieces.append(action.readings)
                self.said += self.stream.receive(action.readings)
            elif isinstance(action, Skip):
                self.said += self.stream.skip(action.to, action.why)
            else:
                raise AssertionError(f"{action} for {message}")
        self.messages += 1
        if self.messages == MESSAGES_A_COMMIT:
            self.commit()


def play(script: Script, times: np.ndarray) -> Service:
    """Send what a device sends, until all of it is durable."""
    service = Service()

    def send(first: int, stop: int, at: float) -> None:
        rows = script.values[first:stop].astype(float)
        values = [[v if v == v else None for v in row] for row in rows.tolist()]
        said = {"type": "readings", "seq": first + 1, "values": values}
        service.hear({**said, "time": times[first:stop].tolist()}, 1e9 + at)

    for one in script.deliveries:
        if one.first + 1 > service.stream.next_seq:
            lost = {"type": "skip", "to": one.first + 1, "why": "lost"}
            service.hear(lost, 1e9 + one.at)
        send(one.first, one.stop, one.at)
        if one.way is Way.BROKEN:
            service.crash()
            for first in range(service.stream.next_seq - 1, one.stop, PIECE):
                send(first, min(first + PIECE, one.stop), one.at)
    service.said += service.stream.close()
    return service


def seen(case: Case) -> Seen:
    one = recording("d")
    script = plan(one, case.faults, CHUNK_SECONDS)
    times = 1e9 + script.clock
    service = play(script, times)
    return seen_of(one, script, times, service.said, service.pieces)


@pytest.fixture(scope="module")
def healthy() -> Seen:
    return seen(CATALOGUE[0])


def problems(case: Case, healthy: Seen) -> list[str]:
    try:
        return case.judge(seen(case), healthy)
    except Exception as failed:  # whatever it is, it is not what must come of it
        return [repr(failed)]


Patch = pytest.MonkeyPatch


def all_that_is_new_is_taken(patch: Patch) -> None:
    readings = Intake.readings

    def deaf(self: Intake, message: Any, now: float) -> Any:
        taken = readings(self, message, now)
        return None if message.seq < 1000 < message.seq + len(message.values) else taken

    patch.setattr(Intake, "readings", deaf)


def readings_are_averaged(patch: Patch) -> None:
    patch.setitem(SETTINGS, "smooth_seconds", 0.02)
    patch.setitem(SETTINGS, "min_seconds", 0.0)


def quiet_is_learnt_anew(patch: Patch) -> None:
    update, known = CompiledDetector.update, {}

    def stubborn(self: CompiledDetector, values: Any, times: Any = None) -> Any:
        found = update(self, values, times)
        # centres and weights of the channels, and the thresholds
        quiet = self._floats[-ROWS * len(CHANNELS) :][: 2 * len(CHANNELS)]
        thresholds = self._floats[THRESHOLD_ON : THRESHOLD_OFF + 1]
        if self._ints[COUNT] > 15 * RATE_HZ:
            then = known.setdefault(self, (quiet.copy(), thresholds.copy()))
            quiet[:], thresholds[:] = then
        return found

    patch.setattr(CompiledDetector, "update", stubborn)


def channels_that_stand_still_are_noticed(patch: Patch) -> None:
    patch.setattr(stuck, "FLOOR_SECONDS", 10**6)


def cleaning(**changed: int) -> Callable[[Patch], None]:
    def guard(patch: Patch) -> None:
        patch.setattr(
            streams, "Cleaner", lambda n, **given: Cleaner(n, **{**given, **changed})
        )

    return guard


def a_clock_may_be_a_bit_off(patch: Patch) -> None:
    patch.setattr(streams, "JUMP_SECONDS", 0.0)
    patch.setattr(streams, "JUMP_READINGS", 1.05)


def a_clock_that_jumps_is_seen(patch: Patch) -> None:
    patch.setattr(HeldReadings, "jumps", lambda *_: NOWHERE)


def nothing_is_believed_across_a_gap(patch: Patch) -> None:
    patch.setattr(Stream, "_shut", lambda *_: [])
    patch.setattr(Stream, "_new_segment", lambda self: self._segment)


def readings_are_taken_once(patch: Patch) -> None:
    readings = Intake.readings

    def again(self: Intake, message: Any, now: float) -> Any:
        self.next_seq = message.seq
        return readings(self, message, now)

    patch.setattr(Intake, "readings", again)


def a_stream_goes_on_where_it_was(patch: Patch) -> None:
    patch.setattr(CompiledDetector, "restore", lambda *_: None)


def the_device_says_the_time(patch: Patch) -> None:
    patch.setattr(
        Intake, "_times", lambda self, time, n: self.clock.arrived(n, time[-1] + 1)
    )


GUARDS: dict[str, Callable[[Patch], None]] = {
    "none": all_that_is_new_is_taken,
    Kind.SPIKE: readings_are_averaged,
    Kind.DRIFT: quiet_is_learnt_anew,
    Kind.STUCK: channels_that_stand_still_are_noticed,
    Kind.MISSING: cleaning(hold=0),
    "missing for long": cleaning(hold=10**6),
    Kind.CLOCK_SKEW: a_clock_may_be_a_bit_off,
    Kind.CLOCK_JUMP: a_clock_that_jumps_is_seen,
    Kind.GAP: nothing_is_believed_across_a_gap,
    Kind.DUPLICATE: readings_are_taken_once,
    Kind.REORDER: a_stream_goes_on_where_it_was,
    Kind.BURST: the_device_says_the_time,
}


def test_every_line_of_the_catalogue_has_its_guard():
    assert list(GUARDS) == [case.name for case in CATALOGUE]


@pytest.mark.parametrize("case", CATALOGUE, ids=lambda case: str(case.name))
def test_a_line_is_green_and_without_its_guard_red(
    case: Case, healthy: Seen, monkeypatch: Patch
):
    assert problems(case, healthy) == []
    GUARDS[case.name](monkeypatch)
    assert problems(case, healthy)
