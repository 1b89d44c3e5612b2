"""The float64 that is nearest to some digits and a power of ten.

References
----------
Lemire (2021), Number parsing at a gigabyte per second, Software: Practice and
Experience 51(8), 1700-1727.  Its table is of 128 bits; within the powers that are
taken here the answer is always certain, normal and finite.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.extending import intrinsic

from app.domain.compiled import compiled

MOST_POWER = 55
"""Of ten: beyond, whoever asks has to read more carefully."""
EXACT_POWER = 22
"""Of ten: up to there a float64 is exact."""
EXACT_INTEGER = np.uint64(2**53)
POWERS = np.array([10.0**k for k in range(EXACT_POWER + 1)])
LEAST_EVEN, MOST_EVEN = -4, 23
"""Powers between which what is written may lie half way between two float64."""
SMALLEST_EXPONENT = -1023
FRACTION = np.uint64(52)
"""Bits of a float64 behind the first."""
UNSURE = np.uint64(0x1FF)
"""Bits of a product that must not all be set if its lower half is not known."""


def _five_to(q: int) -> int:
    """Give the first 128 bits of 5**q; of a short one's reciprocal, the next."""
    power = int(5 ** abs(q))
    if q >= 0:
        return power << 128 - power.bit_length()
    inverse = (1 << 128 + 2 * power.bit_length()) // power
    return (inverse >> inverse.bit_length() - 128) + (q >= -27)


FIVES = np.array(
    [divmod(_five_to(q), 2**64) for q in range(-MOST_POWER, MOST_POWER + 1)], np.uint64
)
"""(2 * MOST_POWER + 1, 2): the higher and the lower 64 bits."""


@intrinsic  # type: ignore[untyped-decorator]
def _product(typing: Any, a: Any, b: Any) -> Any:
    """Give the higher and the lower 64 bits of a product."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        wide, word = ir.IntType(128), ir.IntType(64)
        whole = builder.mul(*[builder.zext(one, wide) for one in args])
        high = builder.trunc(builder.lshr(whole, wide(64)), word)
        both = (high, builder.trunc(whole, word))
        return context.make_tuple(builder, signature.return_type, both)

    pair = types.UniTuple(types.uint64, 2)
    return pair(types.uint64, types.uint64), code


@intrinsic  # type: ignore[untyped-decorator]
def _leading_zeros(typing: Any, a: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctlz(args[0], ir.IntType(1)(0))

    return types.uint64(types.uint64), code


@intrinsic  # type: ignore[untyped-decorator]
def _from_bits(typing: Any, bits: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.uint64), code


@compiled
def nearest(digits: Any, power: Any) -> float:
    """Give the float64 nearest to ``digits * 10**power``.

    Parameters
    ----------
    digits : uint64
    power : int, at most `MOST_POWER` up or down
    """
    if digits <= EXACT_INTEGER and abs(power) <= EXACT_POWER:
        # both are exact, and one operation rounds once
        whole = float(np.int64(digits))
        return float(whole / POWERS[-power] if power < 0 else whole * POWERS[power])
    if digits == 0:
        return 0.0
    zeros = _leading_zeros(digits)
    scaled = digits << zeros
    high, low = _product(scaled, FIVES[power + MOST_POWER, 0])
    if high & UNSURE == UNSURE:
        more, _ = _product(scaled, FIVES[power + MOST_POWER, 1])
        low += more
        high += np.uint64(low < more)
    first = high >> np.uint64(63)
    shift = first + np.uint64(9)
    fraction = high >> shift
    exponent = (217_706 * np.int64(power) >> 16) + 63 - SMALLEST_EXPONENT
    exponent += np.int64(first) - np.int64(zeros)
    half = fraction & np.uint64(3) == np.uint64(1) and fraction << shift == high
    if half and low <= 1 and LEAST_EVEN <= power <= MOST_EVEN:
        fraction -= np.uint64(1)
    fraction = (fraction + (fraction & np.uint64(1))) >> np.uint64(1)
    # a carry out of the fraction counts in the exponent, as it should
    bits = (np.uint64(exponent) << FRACTION) + fraction - (np.uint64(1) << FRACTION)
    return float(_from_bits(bits))
