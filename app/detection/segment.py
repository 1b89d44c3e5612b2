"""One run of the detector, from where it began anew to the next gap.

Within a segment time counts readings from 0 (an index); `origin` is the number of the
reading with index 0, and only here one becomes the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias
from uuid import UUID

from app.detection.cut import Cutter
from app.detection.detector import CompiledDetector, Detector
from app.detection.held import HeldReadings
from app.domain import (
    Event,
    Flag,
    Float32Array,
    FloatArray,
    Onset,
    Readings,
    Retraction,
    Span,
)

Output: TypeAlias = Event | Onset | Retraction


class Segment:
    """Readings in a row, their spans, and the events that come of them.

    Parameters
    ----------
    cutter : Cutter
    detector : Detector
        One that has seen nothing, or the readings up to the newest of `held`.
    held : HeldReadings
    origin : int
    waiting : sequence of Span
        Final already, but their post-roll is not complete.
    """

    def __init__(
        self,
        cutter: Cutter,
        detector: Detector,
        held: HeldReadings,
        origin: int,
        waiting: Sequence[Span] = (),
    ) -> None:
        self.detector = detector
        self.held = held
        self.origin = origin
        self.waiting = list(waiting)
        self._cutter = cutter
        self._open = detector.open_onset

    def reserve(self, n: int) -> None:
        """Make room for `n` readings, forgetting those that nothing needs."""
        if self.held.full(n):
            self.held.drop(self.needed_from())
            self.held.reserve(n)

    def update(self, cleaned: FloatArray, times: FloatArray) -> list[Output]:
        """Take readings that are in `held` already; say what came of them."""
        return self._came(self.detector.update(cleaned, times))

    def stepped(self, found: int, cleaned: FloatArray) -> list[Output]:
        """Say what came of readings that `direct.take` took, with spans in `out`."""
        if not isinstance(self.detector, CompiledDetector):
            raise TypeError("only a compiled detector steps without its object")
        return self._came(self.detector.found(found, cleaned))

    def _came(self, found: list[Span]) -> list[Output]:
        if found:
            self.waiting += found
        said: list[Output] = self._finished() if self.waiting else []
        opened = self.detector.open_onset
        if opened != self._open:
            said += self._announce(opened, found)
        return said

    def _announce(self, opened: int | None, found: Sequence[Span]) -> list[Output]:
        """Say what became of the onset announced before, and what is open now."""
        said: list[Output] = []
        before = self._open
        if before is not None and all(span.onset != before for span in found):
            said.append(Retraction(self._cutter.id(self.origin + before)))
        if opened is not None:
            seq = self.origin + opened
            instant = self._cutter.instant(self.held, opened)
            said.append(Onset(self._cutter.id(seq), seq, instant))
        self._open = opened
        return said

    def _finished(self) -> list[Output]:
        """Cut the events whose post-roll is complete."""
        said: list[Output] = []
        post = self._cutter.awaited
        while self.waiting and self.held.next >= self.waiting[0].offset + post:
            span = self.waiting.pop(0)
            said.append(self._cutter.event(span, None, self.held, self.origin))
        return said

    def shut(self, flag: Flag) -> list[Output]:
        """Close what is open, with a flag; nothing may follow."""
        found = self.detector.flush()
        said: list[Output] = []
        for span in self.waiting:
            ended = self._cutter.by_rule or span.offset < self.held.next
            cut_off = None if ended else flag
            said.append(self._cutter.event(span, cut_off, self.held, self.origin))
        for span in found:
            cut_off = flag if span.offset >= self.held.next else None
            said.append(self._cutter.event(span, cut_off, self.held, self.origin))
        self.waiting.clear()
        if self._open is not None:
            said += self._announce(None, found)
        return said

    def provisional(self) -> tuple[UUID, Float32Array, int] | None:
        """Give the open event's id, its window so far and its pre-roll, if any."""
        onset = self.detector.open_onset
        if onset is None:
            return None
        first = max(self.held.first, onset - self._cutter.pre)
        window, _ = self.held.cleaned(first, self.held.next)
        return self._cutter.id(self.origin + onset), window, onset - first

    def needed_from(self) -> int:
        """Give the index of the oldest reading that some event may still show."""
        needed = self.held.next - self.detector.look_back
        if self.waiting:
            needed = min(needed, self.waiting[0].onset)
        onset = self.detector.open_onset
        if onset is not None:
            needed = min(needed, onset)
        return max(0, needed - self._cutter.pre)

    def open_from(self) -> int | None:
        """Give the number of the first reading of what is not finished, if any."""
        if self.detector.open_onset is None and not self.waiting:
            return None
        return self.origin + self.needed_from()

    def held_from(self, seq: int) -> Readings:
        """Give the readings from `seq` on as they came, as far as they are held."""
        held = self.held
        first = min(max(held.first, seq - self.origin), held.next)
        values, times = held.raw(first, held.next)
        return Readings(self.origin + first, values, times)
