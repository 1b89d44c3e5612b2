"""JSON readings straight into an array, without a Python object for each number.

Only what is plain is read here: rows of numbers and nulls, each as long as the first,
whose nearest float32 is certain.  Everything else, and everything that is wrong, is
left to the codec that checks and explains; both give the same values, bit by bit.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from msgspec import Raw, Struct

from app.domain import Float32Array
from app.domain.compiled import compiled
from app.wire.frames import FAULTS, SUBPROTOCOLS, Codec, Frame, Json
from app.wire.messages import DeviceMessage, End, Hello, Readings, Skip

OPEN, CLOSE, COMMA, SPACE, MINUS, PLUS, POINT, ZERO, NULL = b"[], -+.0n"
SMALL_E, LARGE_E = b"eE"
EXACT_POWER = 22
"""Of ten: up to there a float64 is exact."""
EXACT_INTEGER = 2**53
MOST_DIGITS = 18
"""Of a number that is read: more could overflow."""
DOUBT = 1e-15
"""More than one multiplication and two roundings are wrong by, relatively."""
POWERS = np.array([10.0**k for k in range(EXACT_POWER + 1)])


@compiled
def fill(text: bytes, out: Float32Array) -> int:
    """Read ``[[1.5, null], ...]``, which is valid JSON, into `out`; null becomes NaN.

    Returns
    -------
    int
        How many columns every row has; 0 if this is not plain.
    """
    at, k, columns = 1, 0, 0
    if text[0] != OPEN:
        return 0
    while True:
        at = _after_spaces(text, at)
        if text[at] != OPEN:
            return 0
        begun = k
        while True:  # a number, and what follows it
            at = _after_spaces(text, at + 1)
            at = _number(text, at, out, k)
            if at < 0:
                return 0
            k += 1
            at = _after_spaces(text, at)
            if text[at] != COMMA:
                break
        if text[at] != CLOSE:
            return 0
        if columns == 0:
            columns = k
        elif k - begun != columns:
            return 0
        at = _after_spaces(text, at + 1)
        if text[at] != COMMA:
            return columns if text[at] == CLOSE else 0
        at += 1


@compiled
def _after_spaces(text: bytes, at: int) -> int:
    """Give where the next thing is."""
    while text[at] == SPACE:
        at += 1
    return at


@compiled
def _number(text: bytes, at: int, out: Float32Array, k: int) -> Any:
    """Read a number or null; give where it ends, -1 if it is neither or not certain."""
    if text[at] == NULL:
        out[k] = np.nan
        return at + 4
    negative = text[at] == MINUS
    if negative:
        at += 1
    power, begun = 0, at
    digits: Any = 0
    digit = np.int64(text[at]) - ZERO
    while 0 <= digit <= 9:
        digits = digits * 10 + digit
        at += 1
        digit = np.int64(text[at]) - ZERO
    if at == begun:
        return -1
    seen = 0 if text[begun] == ZERO else at - begun
    if text[at] == POINT:
        at += 1
        begun = at
        while seen == 0 and text[at] == ZERO:
            at += 1
        seen -= at
        digit = np.int64(text[at]) - ZERO
        while 0 <= digit <= 9:
            digits = digits * 10 + digit
            at += 1
            digit = np.int64(text[at]) - ZERO
        seen += at
        power = begun - at
    if seen > MOST_DIGITS or (negative and digits == 0):  # -0 and -0.0 differ
        return -1
    if text[at] == SMALL_E or text[at] == LARGE_E:
        at, exponent = _exponent(text, at + 1)
        power += exponent
    if abs(power) > EXACT_POWER:
        return -1
    value = float(digits)
    value = value / POWERS[-power] if power < 0 else value * POWERS[power]
    nearest = np.float32(value)
    if digits > EXACT_INTEGER:  # else `value` is the nearest float64, as elsewhere
        below, above = np.float32(value * (1 - DOUBT)), np.float32(value * (1 + DOUBT))
        if below != above:
            return -1
    out[k] = -nearest if negative else nearest
    return at


@compiled
def _exponent(text: bytes, at: int) -> tuple[int, int]:
    """Read what follows an ``e``; give where it ends, and the exponent."""
    negative = text[at] == MINUS
    if negative or text[at] == PLUS:
        at += 1
    exponent: Any = 0
    digit = np.int64(text[at]) - ZERO
    while 0 <= digit <= 9:
        exponent = min(exponent * 10 + digit, 10_000)
        at += 1
        digit = np.int64(text[at]) - ZERO
    return at, -exponent if negative else exponent


def rows(text: bytes) -> Float32Array | None:
    """Read a JSON list of lists of numbers, valid JSON; None if it is not plain.

    Returns
    -------
    float32 array (n_rows, n_columns) or None

    Examples
    --------
    >>> rows(b"[[1.5, null], [-2e3, 0]]")
    array([[ 1.5e+00,      nan],
           [-2.0e+03,  0.0e+00]], dtype=float32)
    >>> rows(b"[[1.5], [2, 3]]") is None
    True
    """
    out = np.empty(text.count(b",") + 1, np.float32)
    columns = fill(text, out)
    return out.reshape(-1, columns) if columns else None


class Parsed(Readings, frozen=True, gc=False):
    """Readings whose `values` are a float32 array (n_readings, n_columns) already."""

    values: Any


class _Readings(Struct, tag="readings", gc=False):
    """Readings whose values nobody has looked at."""

    values: Raw
    seq: int | None = None
    time: float | list[float] | None = None
    n: int | None = None


class QuickJson(Json):
    """`Json` for a server: `Parsed` for plain readings, the same for all else."""

    def __init__(self) -> None:
        super().__init__()
        self._plain = msgspec.json.Decoder(_Readings | Hello | Skip | End)

    def decode(self, frame: Frame) -> DeviceMessage:
        """Read what a device sent."""
        if isinstance(frame, str):
            try:
                message: DeviceMessage | _Readings = self._plain.decode(frame)
            except FAULTS:
                return super().decode(frame)  # which says what is wrong
            if not isinstance(message, _Readings):
                return message
            values = rows(bytes(message.values))
            if values is not None:
                return Parsed(values, message.seq, message.time, message.n)
        return super().decode(frame)


JSON = QuickJson()

CODECS: dict[str, Codec] = SUBPROTOCOLS | {"onset.v1.json": JSON}
"""What a server reads with, by subprotocol."""
