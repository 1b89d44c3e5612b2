"""A detector's state as bytes: a versioned header, then its arrays."""

from __future__ import annotations

import struct
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMAT = 1
_HEADER = struct.Struct("<4sHHI")
_IS_LITTLE = sys.byteorder == "little"
_LENGTH = struct.Struct("<I")


def pack(magic: bytes, version: int, arrays: Sequence[NDArray[Any]]) -> bytes:
    """Write arrays (any shape and type) behind a header that says what they are."""
    parts = [_HEADER.pack(magic, FORMAT, version, len(arrays))]
    for array in arrays:
        if not _IS_LITTLE:
            array = array.astype(array.dtype.newbyteorder("<"))
        data = array.tobytes()
        parts += (_LENGTH.pack(len(data)), data)
    return b"".join(parts)


def unpack(
    state: bytes, magic: bytes, version: int, into: Sequence[NDArray[Any]]
) -> None:
    """Read arrays of known shapes and types back, in place.

    Raises
    ------
    ValueError
        If the state is of another kind, version or size; `into` is then unchanged.
    """
    for array, part in zip(into, split(state, magic, version), strict=True):
        if len(part) != array.nbytes:
            raise ValueError(
                f"state of {magic!r} has {len(part)} bytes where {array.nbytes} belong"
            )
    for array, part in zip(into, split(state, magic, version), strict=True):
        little = np.frombuffer(part, array.dtype.newbyteorder("<"))
        array[...] = little.reshape(array.shape)


def split(state: bytes, magic: bytes, version: int) -> list[bytes]:
    """Give the parts that `pack` wrote.

    Raises
    ------
    ValueError
        If the state is of another kind or version, or is cut short.
    """
    if len(state) < _HEADER.size:
        raise ValueError(f"state of {len(state)} bytes is cut short")
    found, layout, number, count = _HEADER.unpack_from(state)
    if (found, layout, number) != (magic, FORMAT, version):
        raise ValueError(
            f"state is {found!r} format {layout} version {number}, "
            f"not {magic!r} format {FORMAT} version {version}"
        )
    parts = []
    at = _HEADER.size
    for _ in range(count):
        if len(state) < at + _LENGTH.size:
            raise ValueError(f"state of {len(state)} bytes is cut short")
        (length,) = _LENGTH.unpack_from(state, at)
        at += _LENGTH.size
        parts.append(state[at : at + length])
        at += length
    if at != len(state):
        raise ValueError(f"state has {len(state)} bytes where {at} belong")
    return parts
