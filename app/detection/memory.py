"""All arrays of a kernel in one piece of memory, of which it is given the address.

An array that is passed costs a call 50 ns, and one that is cut from another array in a
kernel 10 ns, to count who holds it.  Here the detector holds the memory as long as it
lives, and the kernel's views count nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.detection import trigger
from app.domain import Float32Array, FloatArray
from app.domain.addresses import float32_at, float64_at, int64_at
from app.domain.compiled import compiled

PARAMS, LIMITS, INTS, FLOATS, RING, OUT, SCRATCH = range(7)
ARRAYS = 7
ALIGNED = 64
"""Bytes, on multiples of which each begins."""


def pack(*arrays: NDArray[Any]) -> tuple[NDArray[np.uint8], list[NDArray[Any]]]:
    """Give one piece of memory with copies of the seven arrays, and these copies.

    At its beginning it says where each is, in bytes from there, and its elements.
    """
    at, begins = 2 * 8 * ARRAYS, []
    for array in arrays:
        at = -(-at // ALIGNED) * ALIGNED
        begins.append(at)
        at += array.nbytes
    memory = np.zeros(at, np.uint8)
    head = memory[: 2 * 8 * ARRAYS].view(np.int64).reshape(ARRAYS, 2)
    views = []
    for k, (array, begin) in enumerate(zip(arrays, begins, strict=True)):
        head[k] = begin, array.size
        view = memory[begin : begin + array.nbytes].view(array.dtype)
        view = view.reshape(array.shape)
        view[...] = array
        views.append(view)
    return memory, views


@compiled
def arrays(
    address: int,
) -> tuple[
    FloatArray, NDArray[Any], NDArray[Any], FloatArray, Float32Array, FloatArray
]:
    """Give params, limits, ints, floats, ring and out."""
    head = int64_at(address, 2 * ARRAYS)
    return (
        float64_at(address + head[0], head[1]),
        int64_at(address + head[2], head[3]),
        int64_at(address + head[4], head[5]),
        float64_at(address + head[6], head[7]),
        float32_at(address + head[8], head[9]),
        float64_at(address + head[10], head[11]).reshape(-1, trigger.SPAN_FIELDS),
    )


@compiled
def scratch(address: int) -> FloatArray:
    """Give what no state keeps: room for a kernel to work in."""
    head = int64_at(address, 2 * ARRAYS)
    return float64_at(address + head[12], head[13])
