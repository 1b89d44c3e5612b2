"""The numbering of readings, and their way into arrays.

    seq + n <= next    received before: dropped without a word, a resend
    seq <= next        its beginning was received before: cut off, the rest accepted
    seq > next         4408: what is missing must be announced by `skip` first

A stream is *numbered* when the device said `hello`: each `readings` has its `seq`.
Else it is *unnumbered*: none has, and the server counts.  The two never mix.
"""

from __future__ import annotations

import numpy as np

from app.domain import Float32Array, FloatArray, Profile, Readings
from app.wire import closes, messages
from app.wire.actions import Limits, Refused, Skip
from app.wire.values import (
    Clock,
    WrongShape,
    from_block,
    from_rows,
    require_width,
)


class Intake:
    """Takes readings and skips of one stream in their order.

    Parameters
    ----------
    profile : Profile
        Its channels and its rate.
    next_seq : int >= 1
        The number of the first reading that is new.
    numbered : bool
        Whether the device counts.
    blocks : bool
        Whether `values` may be one block of float32.
    limits : Limits
    """

    def __init__(
        self,
        profile: Profile,
        next_seq: int,
        limits: Limits,
        *,
        numbered: bool,
        blocks: bool,
    ) -> None:
        self.next_seq = next_seq
        self.resent = 0
        """Readings dropped so far because they were known."""
        self.numbered = numbered
        """Whether the device counts."""
        self._blocks = blocks
        self._n_channels = profile.n_channels
        self._max_readings = limits.max_readings
        self.clock = Clock(profile.rate_hz, limits.max_readings)

    def readings(self, message: messages.Readings, now: float) -> Readings | None:
        """Take readings that arrived at `now`; None if all of them are known.

        Raises
        ------
        Refused
            With the close code and the rule that is broken.
        """
        expected = self.next_seq
        seq = message.seq
        if seq is None or not self.numbered or not 1 <= seq <= expected:
            seq = self._check_seq(seq)
        values = self._matrix(message)
        n = len(values)
        if message.n is not None and message.n != n:
            raise Refused(
                closes.WRONG_CHANNELS,
                f"values has {n} readings of {self._n_channels} channels, "
                f"but n={_short(message.n)}",
            )
        if message.time is None:
            times = self.clock.arrived(n, now)
        else:
            times = self._times(message.time, n)
        known = expected - seq
        self.resent += min(known, n)
        if known >= n:
            return None
        if seq + n - 1 > messages.MAX_SEQ:
            raise Refused(
                closes.MALFORMED,
                f"readings beyond seq={messages.MAX_SEQ}: begin a new boot",
            )
        if known:
            values, times = values[known:], times[known:]
        self.next_seq = seq + n
        return Readings(expected, values, times, message.time is not None)

    def skip(self, message: messages.Skip) -> Skip | None:
        """Take an announced gap; None if it is known (a resend).

        Raises
        ------
        Refused
            As in `readings`.
        """
        if not self.numbered:
            raise Refused(
                closes.MALFORMED, "skip in a stream without hello: nothing is numbered"
            )
        if not 1 <= message.to <= messages.MAX_SEQ:
            raise Refused(
                closes.MALFORMED,
                f"to={_short(message.to)} must be between 1 and {messages.MAX_SEQ}",
            )
        if len(message.why) > messages.MAX_WHY or not message.why.isprintable():
            raise Refused(
                closes.MALFORMED,
                f"why must be at most {messages.MAX_WHY} printable characters",
            )
        if message.to <= self.next_seq:
            return None
        self.next_seq = message.to
        return Skip(message.to, message.why)

    def _check_seq(self, seq: int | None) -> int:
        if self.numbered and seq is None:
            raise Refused(
                closes.MALFORMED,
                "readings without seq after hello: number all of them, or say no hello",
            )
        if not self.numbered and seq is not None:
            raise Refused(
                closes.MALFORMED,
                f"seq={_short(seq)} in a stream that began without: number all "
                "readings, after a hello, or none",
            )
        if seq is None:
            return self.next_seq
        if not 1 <= seq <= messages.MAX_SEQ:
            raise Refused(
                closes.MALFORMED,
                f"seq={_short(seq)} must be between 1 and {messages.MAX_SEQ}",
            )
        raise Refused(
            closes.GAP,
            f"seq={seq}, but {self.next_seq} comes next: resend from there, or "
            "announce the gap by skip",
        )

    def _matrix(self, message: messages.Readings) -> Float32Array:
        values = message.values
        if isinstance(values, np.ndarray):  # of `quick.Parsed`, never empty
            n = len(values)
        elif not values:
            raise Refused(
                closes.MALFORMED, "values is empty: send at least one reading"
            )
        elif isinstance(values, list):
            n = len(values)
        elif self._blocks:
            n = len(values) // (4 * self._n_channels)
        else:
            raise Refused(
                closes.MALFORMED, "values is a string: send a list of readings"
            )
        if n > self._max_readings:
            raise Refused(
                closes.TOO_BIG,
                f"{n} readings in one message; at most {self._max_readings}",
            )
        try:
            if isinstance(values, np.ndarray):
                require_width(values.shape[1], self._n_channels)
                return values
            if isinstance(values, list):
                return from_rows(values, self._n_channels)
            return from_block(values, self._n_channels)
        except WrongShape as fault:
            raise Refused(closes.WRONG_CHANNELS, str(fault)) from None

    def _times(self, time: float | list[float], n: int) -> FloatArray:
        if isinstance(time, list) and len(time) != n:
            raise Refused(
                closes.MALFORMED,
                f"time has {len(time)} entries for {n} readings: one for each, or one "
                "number for the first",
            )
        return self.clock.said(time, n)


def _short(number: int) -> str:
    return str(number) if abs(number) < 2**64 else "a number beyond 64 bits"
