"""Arrays by address, for kernels that serve many streams in one call.

Whoever writes an address down keeps the array alive for as long as it may be used.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from app.domain.compiled import compiled


@intrinsic  # type: ignore[untyped-decorator]
def _pointer(typing: Any, address: Any) -> Any:  # numba compiles its second half
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(address), code


def address(array: NDArray[Any]) -> int:
    """Give where an array's first value is."""
    return int(array.__array_interface__["data"][0])


@compiled
def float64_at(at: int, n: int) -> NDArray[np.float64]:
    """Give the `n` float64 at an address."""
    return carray(_pointer(at), (n,), np.float64)  # type: ignore[no-any-return]


@compiled
def float32_at(at: int, n: int) -> NDArray[np.float32]:
    """Give the `n` float32 at an address."""
    return carray(_pointer(at), (n,), np.float32)  # type: ignore[no-any-return]


@compiled
def int64_at(at: int, n: int) -> NDArray[np.int64]:
    """Give the `n` int64 at an address."""
    return carray(_pointer(at), (n,), np.int64)  # type: ignore[no-any-return]


@compiled
def bool_at(at: int, n: int) -> NDArray[np.bool_]:
    """Give the `n` bools at an address."""
    return carray(_pointer(at), (n,), np.bool_)  # type: ignore[no-any-return]
