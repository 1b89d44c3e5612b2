"""One device's stream without its socket: readings in, events out.

    receive(readings) -> Cleaner.advance -> Segment.update -> Event, Onset, Retraction
                               |
                               +-- gap: Segment.shut, and a new segment begins

The detector begins anew after every gap.  Everything that comes out is a function of
the readings, not of how they were cut into messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.detection import clean, energy
from app.detection.checkpoint import Checkpoint, joined
from app.detection.clean import Cleaner
from app.detection.cut import Cutter
from app.detection.detector import CompiledDetector
from app.detection.held import HeldReadings
from app.detection.kinds import build
from app.detection.segment import Output, Segment
from app.detection.settings import complete, limits_of, number
from app.detection.settings import readings as count
from app.domain import (
    DetectorVersion,
    Flag,
    Float32Array,
    FloatArray,
    Gap,
    Profile,
    Readings,
)
from app.errors import InvalidReadings

AT_ONCE = 4096
"""Readings taken in one step, whatever the message: bounds the memory."""
GIVE_UP_SECONDS = 30.0
"""A channel missing for so long beyond its hold is broken, not late."""
JUMP_SECONDS, JUMP_READINGS = 1.0, 10.0
"""Device times further apart than both are a jump of the clock."""

WHY = {
    clean.LOST: "no value for longer than max_hold_seconds",
    clean.TIME_GAP: "reading times further apart than max_gap_seconds",
    clean.WOKEN: "a channel that had no values has some",
}


class Stream:
    """The readings of one (device, boot), numbered from 1.

    Parameters
    ----------
    profile : Profile
    version : DetectorVersion
    device, boot : str
    """

    def __init__(
        self, profile: Profile, version: DetectorVersion, device: str, boot: str
    ) -> None:
        rate = profile.rate_hz
        self._settings = complete(version.settings)
        self._profile = profile
        self._cutter = Cutter(
            profile,
            version,
            device,
            boot,
            pre=count(number(self._settings, "pre_seconds"), rate),
            post=count(number(self._settings, "post_seconds"), rate),
            by_rule=self._settings["kind"] == "windows",
        )
        self._cleaner = Cleaner(
            limits_of(self._settings, profile.channel_names),
            hold=count(profile.max_hold_seconds, rate),
            give_up=count(GIVE_UP_SECONDS, rate),
            max_gap_seconds=profile.max_gap_seconds,
            jump_seconds=max(JUMP_SECONDS, JUMP_READINGS / rate),
        )
        self._gaps: list[Gap] = []
        self._fed = False
        self._gap_from = 1
        self._next = np.ones(1, np.int64)
        self._segment = self._new_segment()

    def _new_segment(self) -> Segment:
        """Start the detector anew at the next reading."""
        profile = self._profile
        held = HeldReadings(profile.n_channels)
        held.clear(0, self._cleaner.living())
        detector = build(self._settings, profile.rate_hz, profile.n_channels)
        return Segment(self._cutter, detector, held, self.next_seq)

    @property
    def next_seq(self) -> int:
        """The number of the next reading to come."""
        return int(self._next[0])

    @property
    def missing(self) -> NDArray[np.int64]:
        """Values that were missing so far, by channel (n_channels,)."""
        return np.array(self._cleaner.counters[clean.MISSING])

    @property
    def outside(self) -> int:
        """How many of them were outside their limits, since this object began."""
        return int(self._cleaner.counters[clean.OUTSIDE].sum())

    def receive(self, readings: Readings) -> list[Output]:
        """Take the next readings; give what came of them, in order.

        Raises
        ------
        ValueError
            If they do not begin with `next_seq`.
        InvalidReadings
            If they have the wrong number of channels.
        """
        if readings.first_seq != self.next_seq:
            raise ValueError(
                f"first_seq={readings.first_seq} must be next_seq={self.next_seq}"
            )
        n, n_channels = readings.values.shape
        if n_channels != self._profile.n_channels:
            raise InvalidReadings(
                f"{n_channels} channels: the profile has {self._profile.n_channels}"
            )
        if n <= AT_ONCE:
            return self._take(readings)
        said: list[Output] = []
        for at in range(0, len(readings), AT_ONCE):
            rows = slice(at, at + AT_ONCE)
            said += self._take(
                Readings(
                    readings.first_seq + at,
                    readings.values[rows],
                    readings.times[rows],
                    readings.device_times,
                )
            )
        return said

    def _take(self, readings: Readings) -> list[Output]:
        said: list[Output] = []
        at, n = 0, readings.times.shape[0]
        while True:
            segment = self._segment
            segment.reserve(n - at)
            taken, why = self._cleaner.advance(readings, at, self._fed, segment.held)
            at += taken
            self._next[0] += taken
            if self._fed and taken:
                times = readings.times
                if taken < n:
                    times = times[at - taken : at]
                said += segment.update(self._cleaner.cleaned[:taken], times)
            if why == clean.DONE:
                return said
            if why == clean.RESUMED:
                self._end_gap(WHY[clean.LOST])
                self._segment = self._new_segment()
                self._fed = True
            else:
                said += self._interrupt(why)

    def _shut(self, flag: Flag) -> list[Output]:
        """Close what is open; from here on the stream is in a gap."""
        said = self._segment.shut(flag) if self._fed else []
        if self._fed:
            self._gap_from = self.next_seq
        self._fed = False
        self._segment = self._new_segment()
        return said

    def _interrupt(self, why: int) -> list[Output]:
        """Something about the next reading ends what can be trusted."""
        said = self._shut(Flag.GAP)
        if why == clean.TIME_GAP:
            self._cleaner.forget()
        if why != clean.LOST:
            self._gaps.append(Gap(self.next_seq, self.next_seq, WHY[why]))
        return said

    def _end_gap(self, why: str) -> None:
        if self.next_seq > self._gap_from:
            self._gaps.append(Gap(self._gap_from, self.next_seq, why))
            self._gap_from = self.next_seq

    def arrays(self) -> tuple[NDArray[Any], ...] | None:
        """Give the arrays that `direct.take` works on; None if it may not.

        Same objects: what was written down of them is still true.
        """
        segment, cleaner = self._segment, self._cleaner
        detector = segment.detector
        if (
            not self._fed
            or segment.waiting
            or not isinstance(detector, CompiledDetector)
            or detector.plan.step is not energy.step
        ):
            return None
        held = segment.held
        return (
            self._next,
            held.values,
            held.times,
            held.jumped,
            held.marks,
            held.last_before,
            cleaner.clock,
            cleaner.counters,
            cleaner.limits,
            cleaner.good,
            detector.memory,
        )

    def constants(self) -> tuple[int, ...]:
        """Give what else it must know: channels, look back, pre-roll, tick."""
        detector = self._segment.detector
        tick = detector.plan.tick if isinstance(detector, CompiledDetector) else 1
        n_channels = self._profile.n_channels
        return n_channels, detector.look_back, self._cutter.pre, tick

    def stepped(self, found: int, cleaned: FloatArray) -> list[Output]:
        """Say what came of readings that `direct.take` took.

        Parameters
        ----------
        found : int, what it returned
        cleaned : float64 (n, n_channels), the readings
        """
        return self._segment.stepped(found, cleaned)

    def skip(self, to_seq: int, why: str) -> list[Output]:
        """Take note of a gap that the device announced, up to before `to_seq`.

        Raises
        ------
        ValueError
            If readings from `to_seq` on were received already.
        """
        if to_seq < self.next_seq:
            raise ValueError(f"to={to_seq} must be at least next_seq={self.next_seq}")
        if to_seq == self.next_seq:
            return []
        said = self._shut(Flag.GAP)
        self._end_gap(WHY[clean.LOST])
        self._gaps.append(Gap(self.next_seq, to_seq, why))
        self._next[0] = self._gap_from = to_seq
        self._cleaner.forget()
        self._segment = self._new_segment()
        return said

    def close(self, flag: Flag = Flag.ENDED) -> list[Output]:
        """End the stream: close what is open. Readings that follow begin anew."""
        said = self._shut(flag)
        self._end_gap(WHY[clean.LOST])
        self._cleaner.forget()
        return said

    def provisional(self) -> tuple[UUID, Float32Array, int] | None:
        """Give the open event's id, its window so far and its pre-roll, if any."""
        return self._segment.provisional()

    def take_gaps(self) -> list[Gap]:
        """Give the gaps that ended since this was last asked."""
        gaps, self._gaps = self._gaps, []
        return gaps

    def open_from(self) -> int | None:
        """Give the number of the first reading that `restore` must be given back."""
        return self._segment.open_from()

    def held_from(self, seq: int) -> Readings:
        """Give the readings from `seq` on as they came, as far back as they are held.

        From `open_from` on they are complete: what a checkpoint of an open event must
        store beside `state`.
        """
        return self._segment.held_from(seq)

    def state(self) -> bytes:
        """Give everything but the readings from `open_from` on."""
        segment = self._segment
        held = segment.held
        first = segment.needed_from()
        opened = segment.open_from() is not None
        values, times = held.raw(held.next if opened else first, held.next)
        return Checkpoint(
            next_seq=self.next_seq,
            origin=segment.origin,
            fed=self._fed,
            gap_from=self._gap_from,
            first=first,
            clock=float(self._cleaner.clock[0]),
            counters=self._cleaner.counters[: clean.KEPT],
            good=self._cleaner.good,
            waiting=tuple(segment.waiting),
            before=held.before(first),
            values=values,
            times=times,
            jumps=held.jumps(first, held.next),
            detector=segment.detector.state(),
        ).to_bytes()

    @classmethod
    def restore(
        cls,
        profile: Profile,
        version: DetectorVersion,
        device: str,
        boot: str,
        *,
        next_seq: int,
        state: bytes,
        readings: Sequence[Readings] = (),
    ) -> Stream:
        """Go on exactly where `state` was taken.

        Parameters
        ----------
        next_seq : int
            Watermark + 1; checked against the state.
        readings : sequence of Readings
            Those from `open_from` to ``next_seq - 1``, as they came or as `held_from`
            gave them; earlier ones are ignored. None are needed if nothing was open.

        Raises
        ------
        ValueError
            If the state does not fit the settings, or readings are missing.
        """
        stream = cls(profile, version, device, boot)
        point = Checkpoint.from_bytes(state, profile.n_channels)
        if point.next_seq != next_seq:
            raise ValueError(f"state of next_seq={point.next_seq}, not {next_seq}")
        stream._next[0] = next_seq
        stream._fed = point.fed
        stream._gap_from = point.gap_from
        stream._cleaner.clock[0] = point.clock
        stream._cleaner.counters[: clean.KEPT] = point.counters
        stream._cleaner.good[...] = point.good
        detector = stream._segment.detector
        detector.restore(point.detector)
        held = stream._segment.held
        held.clear(point.first, point.before)
        values, times = point.values, point.times
        if detector.open_onset is not None or point.waiting:
            values, times = joined(readings, point.origin + point.first, next_seq)
        held.put(values, times, point.jumps)
        stream._segment = Segment(
            stream._cutter, detector, held, point.origin, point.waiting
        )
        return stream
