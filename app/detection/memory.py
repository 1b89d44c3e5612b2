"""All arrays of a kernel in one piece of memory, of which it is given the address.

An array that is passed costs a call 50 ns, and one that is cut from another array in a
kernel 10 ns, to count who holds it.  Here the detector holds the memory as long as it
lives, and the kernel's views count nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from app.detection import trigger
from app.domain import Float32Array, FloatArray
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


@intrinsic  # type: ignore[untyped-decorator]
def pointer(typing: Any, address: Any) -> Any:
    """Give the address as a pointer."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), code


@compiled
def arrays(
    address: int,
) -> tuple[
    FloatArray, NDArray[Any], NDArray[Any], FloatArray, Float32Array, FloatArray
]:
    """Give params, limits, ints, floats, ring and out."""
    head = carray(pointer(address), (ARRAYS, 2), np.int64)
    fields = trigger.SPAN_FIELDS
    return (
        carray(pointer(address + head[0, 0]), (head[0, 1],), np.float64),
        carray(pointer(address + head[1, 0]), (head[1, 1],), np.int64),
        carray(pointer(address + head[2, 0]), (head[2, 1],), np.int64),
        carray(pointer(address + head[3, 0]), (head[3, 1],), np.float64),
        carray(pointer(address + head[4, 0]), (head[4, 1],), np.float32),
        carray(
            pointer(address + head[5, 0]), (head[5, 1] // fields, fields), np.float64
        ),
    )


@compiled
def scratch(address: int) -> FloatArray:
    """Give what no state keeps: room for a kernel to work in."""
    head = carray(pointer(address), (ARRAYS, 2), np.int64)
    work: FloatArray = carray(pointer(address + head[6, 0]), (head[6, 1],), np.float64)
    return work
