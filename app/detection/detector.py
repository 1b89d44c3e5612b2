"""What every detector is, and the shell around those that are one compiled loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from app.detection import trigger
from app.detection.memory import pack as in_one_piece
from app.detection.state import pack, unpack
from app.domain import Float32Array, FloatArray, NearMiss, Span
from app.domain.addresses import address

SPANS_A_CALL = 64
"""A kernel stops when it has found so many, and is called again for the rest."""


class Detector(Protocol):
    """A deterministic function from readings to spans that keeps a state.

    However the readings are cut into calls, the spans and the state are the same.
    Most detectors count readings and have no use for their times.
    """

    @property
    def look_back(self) -> int:
        """Most readings that the onset of a new span may lie behind the newest."""

    def update(self, values: FloatArray, times: FloatArray | None = None) -> list[Span]:
        """Take readings, and give the spans that are now final.

        Parameters
        ----------
        values : (n, n_channels), finite
        times : (n,) seconds since the epoch, or None: as the rate says
        """

    def flush(self) -> list[Span]:
        """Close what is open: the stream ends here. Nothing may follow."""

    @property
    def open_onset(self) -> int | None:
        """Where the event that is not yet final began; None if there is none."""

    def near_misses(self) -> list[NearMiss]:
        """Give what nearly was an event, by index, oldest first; a bounded number."""

    def state(self) -> bytes:
        """Give everything that the future depends on, versioned."""

    def restore(self, state: bytes) -> None:
        """Go on exactly where `state` was taken from the same settings."""


Step = Callable[..., int]
Flush = Callable[..., int]


@dataclass(frozen=True, slots=True)
class Plan:
    """A kernel with its numbers.

    Parameters
    ----------
    step : compiled ``(values, memory) -> n``
        Reads rows of `values` from ``ints[NEXT]`` on, until all are taken or `out` is
        full; returns how many spans it wrote.
    flush : compiled ``(memory) -> n``
    magic, version : what `state` is marked with; a change of meaning is a new version
    tick : int > 0, readings for one value of the characteristic function
    look_back : int, readings
    scratch : int, floats of room to work in
    """

    magic: bytes
    version: int
    step: Step
    flush: Flush
    params: FloatArray
    limits: NDArray[np.int64]
    tick: int
    look_back: int
    scratch: int = 0


COUNT, TAKEN = 0, 1
"""Readings ever; readings of the present call."""
TRIGGER = 2
"""Where the trigger's slots begin; a kernel's own follow them."""
OWN = TRIGGER + trigger.SLOTS


class CompiledDetector:
    """Drive a kernel: arrays made once, one compiled call for each `update`.

    `at_once`: most spans that one reading may end.
    """

    def __init__(
        self,
        plan: Plan,
        ints: NDArray[np.int64],
        floats: FloatArray,
        ring: Float32Array,
        at_once: int = 1,
    ) -> None:
        self._plan = plan
        self._step = plan.step
        most = SPANS_A_CALL + at_once - 1
        self._memory, views = in_one_piece(
            plan.params,
            plan.limits,
            ints,
            floats,
            ring,
            np.zeros((most, trigger.SPAN_FIELDS)),
            np.zeros(plan.scratch),
        )
        self._address = address(self._memory)
        self._ints, self._floats, self._ring, self._out = views[2:6]
        trigger.start(self._ints[TRIGGER:OWN])

    @property
    def plan(self) -> Plan:
        """The kernel that this drives."""
        return self._plan

    @property
    def memory(self) -> NDArray[np.uint8]:
        """What the kernel is given the address of."""
        return self._memory

    @property
    def look_back(self) -> int:
        """Most readings that the onset of a new span may lie behind the newest."""
        return self._plan.look_back

    def update(self, values: FloatArray, times: FloatArray | None = None) -> list[Span]:
        """Take readings (n, n_channels), finite; give the spans that are now final."""
        found = self._step(values, self._address)
        return self.found(found, values) if found else []

    def found(self, found: int, values: FloatArray) -> list[Span]:
        """Give the spans of a step that was done with `values`, finishing the step."""
        if not found:
            return []
        spans = self._spans(found)
        while found >= SPANS_A_CALL:
            found = self._step(values, self._address)
            spans += self._spans(found)
        # a kernel that stopped in between wrote down where
        self._ints[TAKEN] = 0
        return spans

    def flush(self) -> list[Span]:
        """Close what is open: the stream ends here. Nothing may follow."""
        found = self._plan.flush(self._address)
        return self._spans(found)

    def _spans(self, found: int) -> list[Span]:
        tick = self._plan.tick
        count = int(self._ints[COUNT])
        return [
            Span(
                int(row[trigger.SPAN_ONSET]) * tick,
                min(int(row[trigger.SPAN_OFFSET]) * tick, count),
                float(row[trigger.SPAN_PEAK]),
                bool(row[trigger.SPAN_TRUNCATED]),
                bool(row[trigger.SPAN_STUCK]),
            )
            for row in self._out[:found]
        ]

    @property
    def open_onset(self) -> int | None:
        """Where the event that is not yet final began; None if there is none."""
        slots = self._ints
        if slots[TRIGGER + trigger.PHASE] == trigger.IDLE:
            return None
        return int(slots[TRIGGER + trigger.ONSET]) * self._plan.tick

    def near_misses(self) -> list[NearMiss]:
        """Give what nearly was an event, by index, oldest first; a bounded number."""
        slots = self._ints[TRIGGER:OWN]
        tick, count = self._plan.tick, int(slots[trigger.NEAR_COUNT])
        rows = slots[trigger.NEARS :].reshape(trigger.NEAR_KEPT, trigger.NEAR_FIELDS)
        return [
            NearMiss(int(begin) * tick, int(end) * tick, int(peak) / 1000)
            for begin, end, peak in (
                rows[k % trigger.NEAR_KEPT]
                for k in range(max(0, count - trigger.NEAR_KEPT), count)
            )
        ]

    def state(self) -> bytes:
        """Give everything that the future depends on, versioned."""
        return pack(self._plan.magic, self._plan.version, self._arrays())

    def restore(self, state: bytes) -> None:
        """Go on exactly where `state` was taken from the same settings."""
        unpack(state, self._plan.magic, self._plan.version, self._arrays())

    def _arrays(self) -> tuple[NDArray[Any], ...]:
        return self._ints, self._floats, self._ring


def limits(shortest: int, longest: int, merge: int, reach: int) -> NDArray[np.int64]:
    """Give the trigger's limits, in ticks, as its kernel wants them."""
    longest = max(2, longest)
    values = np.zeros(trigger.LIMITS, np.int64)
    values[trigger.SHORTEST] = min(max(1, shortest), longest)
    values[trigger.LONGEST] = longest
    values[trigger.MERGE] = merge
    # An onset further back than the longest span would close before it is open.
    values[trigger.REACH] = max(0, min(reach, longest - 2))
    return values
