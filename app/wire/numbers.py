"""Decimal numbers out of JSON text, without a Python object for each.

Only what is plain is read: the rest is left to the codec that checks and explains.
Text that is not known to be valid JSON must end with a zero byte, at which every loop
here stops.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from app.domain import Float32Array
from app.domain.compiled import compiled
from app.wire.decimals import MOST_POWER, nearest

OPEN, CLOSE, COMMA, SPACE, MINUS, PLUS, POINT, ZERO, NULL = b"[], -+.0n"
SMALL_E, LARGE_E = b"eE"
MOST_DIGITS = 19
"""Of a number that is read: more could overflow."""
NOUGHT, ONE, TEN = np.uint64(48), np.uint64(1), np.uint64(10)


@compiled
def rows(text: Any, at: int, out: Any) -> tuple[int, int, int]:
    """Read ``[[1.5, null], ...]`` at `at` into `out`, flat; null becomes NaN.

    Returns
    -------
    at, rows, columns : int
        Where it ends; how many rows there are and how many columns every row has, 0
        if this is not plain.
    """
    k, n, columns = 0, 0, 0
    if text[at] != OPEN:
        return at, 0, 0
    at += 1
    while True:
        at = after_spaces(text, at)
        if text[at] != OPEN:
            return at, 0, 0
        begun = k
        while True:  # a number, and what follows it
            at = after_spaces(text, at + 1)
            if text[at] == NULL:
                if text[at + 1] != 117 or text[at + 2] != 108 or text[at + 3] != 108:
                    return at, 0, 0
                out[k] = np.nan
                at += 4
            else:
                at, value = decimal(text, at)
                if at < 0:
                    return at, 0, 0
                out[k] = np.float32(value)
            k += 1
            at = after_spaces(text, at)
            if text[at] != COMMA:
                break
        if text[at] != CLOSE:
            return at, 0, 0
        n += 1
        if columns == 0:
            columns = k
        elif k - begun != columns:
            return at, 0, 0
        at = after_spaces(text, at + 1)
        if text[at] != COMMA:
            return (at + 1, n, columns) if text[at] == CLOSE else (at, 0, 0)
        at += 1


@compiled
def fill(text: bytes, out: Float32Array) -> int:
    """Read valid JSON into `out`; give how many columns, 0 if it is not plain."""
    return rows(text, 0, out)[2]


@compiled
def after_spaces(text: Any, at: int) -> int:
    """Give where the next thing is."""
    while text[at] == SPACE:
        at += 1
    return at


@compiled
def decimal(text: Any, at: Any) -> tuple[int, float]:
    """Read a number: the nearest float64.

    Returns
    -------
    at : int
        Where it ends, -1 if this is none, or none that is read here.
    value : float
    """
    # unsigned indices cannot be negative, so nothing looks whether they are
    negative = text[at] == MINUS
    i: Any = np.uint64(at + 1 if negative else at)
    begun = i
    power: Any = 0
    seen: Any = 0
    digits: Any = np.uint64(0)
    digit = np.uint64(text[i]) - NOUGHT
    while digit < TEN:
        digits = digits * TEN + digit
        i += ONE
        digit = np.uint64(text[i]) - NOUGHT
    if i == begun or (text[begun] == ZERO and i > begun + ONE):
        return -1, 0.0
    if text[begun] != ZERO:
        seen = np.int64(i - begun)
    if text[i] == POINT:
        i += ONE
        begun = i
        while seen == 0 and text[i] == ZERO:
            i += ONE
        first = i
        digit = np.uint64(text[i]) - NOUGHT
        while digit < TEN:
            digits = digits * TEN + digit
            i += ONE
            digit = np.uint64(text[i]) - NOUGHT
        seen += np.int64(i - first)
        power = -np.int64(i - begun)
        if i == begun:
            return -1, 0.0
    if seen > MOST_DIGITS or (negative and digits == 0):  # -0 and -0.0 differ
        return -1, 0.0
    at = np.int64(i)
    if text[i] == SMALL_E or text[i] == LARGE_E:
        at, exponent = _exponent(text, np.int64(i + ONE))
        if at == np.int64(i):
            return -1, 0.0
        power += exponent
    if abs(power) > MOST_POWER:
        return -1, 0.0
    value = nearest(digits, power)
    return at, -value if negative else value


@compiled
def _exponent(text: Any, at: Any) -> tuple[int, int]:
    """Read what follows an ``e``; give where it ends (the ``e`` if nowhere) and it."""
    e = at - 1
    negative = text[at] == MINUS
    if negative or text[at] == PLUS:
        at += 1
    begun = at
    exponent: Any = 0
    digit = np.int64(text[at]) - ZERO
    while 0 <= digit <= 9:
        exponent = min(exponent * 10 + digit, 10_000)
        at += 1
        digit = np.int64(text[at]) - ZERO
    if at == begun:
        return e, 0
    return at, -exponent if negative else exponent
