"""One device's stream without its socket: readings in, events out.

    receive(readings) -> Cleaner.advance -> Detector.update -> spans -> Event, Onset,
                               |                                        Retraction
                               +-- gap: close what is open, start the detector anew

Here indices (readings since the detector began) become sequence numbers and times.
The detector begins anew after every gap; `_origin` is the number of its first
reading.  Everything is a function of the readings, not of how they were cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.detection import clean
from app.detection.checkpoint import Checkpoint
from app.detection.clean import Cleaner
from app.detection.cut import Cutter
from app.detection.held import HeldReadings
from app.detection.kinds import build
from app.detection.settings import complete, number
from app.detection.settings import readings as count
from app.domain import (
    DetectorVersion,
    Event,
    Flag,
    Float32Array,
    FloatArray,
    Gap,
    Onset,
    Profile,
    Readings,
    Retraction,
    Span,
    event_id,
)
from app.errors import InvalidReadings

Output: TypeAlias = Event | Onset | Retraction

AT_ONCE = 4096
"""Readings taken in one step, whatever the message: bounds the memory."""
GIVE_UP_SECONDS = 30.0
"""A channel missing for so long beyond its hold is broken, not late."""
JUMP_SECONDS, JUMP_READINGS = 1.0, 10.0
"""Device times further apart than both are a jump of the clock."""

_WHY = {
    clean.LOST: "no value for longer than max_hold_seconds",
    clean.TIME_GAP: "reading times further apart than max_gap_seconds",
    clean.WOKEN: "a channel without values came back",
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
        self._detector = build(self._settings, rate, profile.n_channels)
        self._cutter = Cutter(
            profile,
            version,
            device,
            boot,
            pre=count(number(self._settings, "pre_seconds"), rate),
            post=count(number(self._settings, "post_seconds"), rate),
        )
        self._held = HeldReadings(profile.n_channels)
        self._cleaner = Cleaner(
            profile.n_channels,
            hold=count(profile.max_hold_seconds, rate),
            give_up=count(GIVE_UP_SECONDS, rate),
            max_gap_seconds=profile.max_gap_seconds,
            jump_seconds=max(JUMP_SECONDS, JUMP_READINGS / rate),
        )
        self._waiting: list[Span] = []
        self._gaps: list[Gap] = []
        self._fed = False
        self._gap_from = 1
        self._gap_why = _WHY[clean.LOST]
        self._origin = 1
        self.next_seq = 1

    @property
    def missing(self) -> NDArray[np.int64]:
        """Values that were missing so far, by channel (n_channels,)."""
        return np.array(self._cleaner.counters[clean.MISSING])

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
        n_channels = self._profile.n_channels
        if readings.values.shape[1] != n_channels:
            raise InvalidReadings(
                f"{readings.values.shape[1]} channels: the profile has {n_channels}"
            )
        if len(readings) <= AT_ONCE:
            return self._take(readings)
        said: list[Output] = []
        for at in range(0, len(readings), AT_ONCE):
            part = slice(at, at + AT_ONCE)
            said += self._take(
                Readings(
                    readings.first_seq + at,
                    readings.values[part],
                    readings.times[part],
                    readings.device_times,
                )
            )
        return said

    def _take(self, readings: Readings) -> list[Output]:
        said: list[Output] = []
        n = len(readings)
        at = 0
        while True:
            if self._held.full(n - at):
                self._held.drop(self._needed_from())
                self._held.reserve(n - at)
            taken, why = self._cleaner.advance(readings, at, self._fed, self._held)
            at += taken
            self.next_seq += taken
            if self._fed and taken:
                self._update(taken, said)
            if why == clean.DONE:
                return said
            if why == clean.RESUMED:
                self._resume()
            else:
                self._interrupt(why, said)

    def _update(self, taken: int, said: list[Output]) -> None:
        before = self._detector.open_onset
        found = self._detector.update(self._cleaner.cleaned[:taken])
        self._waiting += found
        if self._waiting:
            self._emit(said)
        after = self._detector.open_onset
        if before != after:
            self._announce(before, after, found, said)

    def _announce(
        self,
        before: int | None,
        after: int | None,
        found: Sequence[Span],
        said: list[Output],
    ) -> None:
        """Say what became of the onset announced before, and what is open now."""
        if before is not None and all(span.onset != before for span in found):
            said.append(Retraction(self._event_id(before)))
        if after is not None:
            instant = self._cutter.instant(self._held, after)
            said.append(Onset(self._event_id(after), self._origin + after, instant))

    def _emit(self, said: list[Output], closed: Flag | None = None) -> None:
        """Cut the events whose post-roll is complete, or all when `closed`."""
        held = self._held
        while self._waiting:
            span = self._waiting[0]
            if closed is None and held.next < span.offset + max(self._cutter.post, 1):
                return
            flag = closed if span.offset >= held.next else None
            said.append(self._cutter.event(span, flag, held, self._origin))
            del self._waiting[0]

    def _shut(self, flag: Flag) -> list[Output]:
        """Close what is open and begin anew."""
        said: list[Output] = []
        before = self._detector.open_onset
        found = self._detector.flush()
        self._waiting += found
        self._emit(said, flag)
        if before is not None:
            self._announce(before, None, found, said)
        self._fed = False
        self._gap_from = self.next_seq
        self._gap_why = _WHY[clean.LOST]
        self._begin()
        return said

    def _begin(self) -> None:
        """Start the detector anew at the next reading."""
        if self._held.next:
            rate, channels = self._profile.rate_hz, self._profile.n_channels
            self._detector = build(self._settings, rate, channels)
        self._origin = self.next_seq
        self._held.clear(0, self._cleaner.living())

    def _interrupt(self, why: int, said: list[Output]) -> None:
        """Something at the next reading ends what can be trusted."""
        said += self._shut(Flag.GAP)
        if why == clean.LOST:
            return
        if why == clean.TIME_GAP:
            self._cleaner.forget()
        if self.next_seq > 1:
            self._gaps.append(Gap(self.next_seq, self.next_seq, _WHY[why]))

    def _resume(self) -> None:
        """Feed the detector again, from the next reading on."""
        self._end_gap()
        self._begin()
        self._fed = True

    def _end_gap(self) -> None:
        if not self._fed and self.next_seq > self._gap_from:
            self._gaps.append(Gap(self._gap_from, self.next_seq, self._gap_why))
            self._gap_from = self.next_seq

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
        said = self._shut(Flag.GAP) if self._fed else []
        self._end_gap()
        self._gaps.append(Gap(self.next_seq, to_seq, why))
        self.next_seq = self._gap_from = to_seq
        self._cleaner.forget()
        self._begin()
        return said

    def close(self, flag: Flag = Flag.ENDED) -> list[Output]:
        """End the stream: close what is open. Readings that follow begin anew."""
        said = self._shut(flag) if self._fed else []
        self._end_gap()
        self._cleaner.forget()
        return said

    def provisional(self) -> tuple[UUID, Float32Array, int] | None:
        """Give the open event's id, its window so far and its pre-roll, if any."""
        onset = self._detector.open_onset
        if onset is None:
            return None
        first = max(self._held.first, onset - self._cutter.pre)
        window, _ = self._held.cleaned(first, self._held.next)
        return self._event_id(onset), window, onset - first

    def take_gaps(self) -> list[Gap]:
        """Give the gaps that ended since this was last asked."""
        gaps, self._gaps = self._gaps, []
        return gaps

    def open_from(self) -> int | None:
        """Give the number of the first reading that `restore` must be given back."""
        if self._detector.open_onset is None and not self._waiting:
            return None
        return self._origin + self._needed_from()

    def held_from(self, seq: int) -> Readings:
        """Give the readings from `seq` on as they came, as far back as they are held.

        From `open_from` on they are complete.
        """
        held = self._held
        first = min(max(held.first, seq - self._origin), held.next)
        values, times = held.raw(first, held.next)
        return Readings(self._origin + first, values, times)

    def _needed_from(self) -> int:
        """Give the index of the oldest reading that some event may still show."""
        needed = self._held.next - self._detector.look_back
        if self._waiting:
            needed = min(needed, self._waiting[0].onset)
        onset = self._detector.open_onset
        if onset is not None:
            needed = min(needed, onset)
        return max(0, needed - self._cutter.pre)

    def _event_id(self, onset: int) -> UUID:
        cutter = self._cutter
        return event_id(
            cutter.device, cutter.boot, self._origin + onset, cutter.version.number
        )

    def state(self) -> bytes:
        """Give everything but the readings from `open_from` on."""
        held = self._held
        first = self._needed_from()
        opened = self.open_from() is not None
        values, times = held.raw(held.next if opened else first, held.next)
        return Checkpoint(
            next_seq=self.next_seq,
            origin=self._origin,
            fed=self._fed,
            gap_from=self._gap_from,
            first=first,
            clock=float(self._cleaner.clock[0]),
            counters=self._cleaner.counters,
            good=self._cleaner.good,
            waiting=tuple(self._waiting),
            before=held.before(first),
            values=values,
            times=times,
            jumps=held.jumps(first, held.next),
            detector=self._detector.state(),
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
            Those from `open_from` to ``next_seq - 1``, raw or as `held_from` gave
            them; earlier ones are ignored. None are needed when nothing was open.

        Raises
        ------
        ValueError
            If the state does not fit the settings, or readings are missing.
        """
        stream = cls(profile, version, device, boot)
        point = Checkpoint.from_bytes(state, profile.n_channels)
        if point.next_seq != next_seq:
            raise ValueError(f"state of next_seq={point.next_seq}, not {next_seq}")
        stream.next_seq = next_seq
        stream._origin = point.origin
        stream._fed = point.fed
        stream._gap_from = point.gap_from
        stream._waiting = list(point.waiting)
        stream._cleaner.clock[0] = point.clock
        stream._cleaner.counters[...] = point.counters
        stream._cleaner.good[...] = point.good
        stream._detector.restore(point.detector)
        stream._held.clear(point.first, point.before)
        if stream.open_from() is None:
            stream._held.put(point.values, point.times, point.jumps)
        else:
            values, times = _joined(readings, point.origin + point.first, next_seq)
            stream._held.put(values, times, point.jumps)
        return stream


def _joined(
    parts: Sequence[Readings], first_seq: int, next_seq: int
) -> tuple[Float32Array, FloatArray]:
    """Put readings ``[first_seq, next_seq)`` together."""
    at = first_seq
    values, times = [], []
    for part in sorted(parts, key=lambda p: p.first_seq):
        if part.first_seq > at or part.next_seq <= at:
            continue
        rows = slice(at - part.first_seq, next_seq - part.first_seq)
        values.append(part.values[rows])
        times.append(part.times[rows])
        at = min(part.next_seq, next_seq)
    if at != next_seq:
        raise ValueError(f"readings {at}..{next_seq - 1} of the open event are missing")
    return np.concatenate(values), np.concatenate(times)
