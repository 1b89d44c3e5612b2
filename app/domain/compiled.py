"""The one way in which loops are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from numba import njit
from numba.core.registry import cpu_target

from app.loading import without

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


class _Compile(Protocol):
    """What numba's decorator does to types: nothing."""

    def __call__(self, kernel: Kernel, /) -> Kernel: ...


compiled: _Compile = njit(cache=True, nogil=True)
"""No ``fastmath``: the order of every addition is fixed, and so are the bits."""

# numba's cache looks at a kernel's own file, not at those whose constants and kernels
# it uses.  Who moves a slot in one file must change the files that count on it: the
# `version` of every `Plan` there has to change anyway.


def loadable() -> None:
    """Get numba ready to load kernels, as it does by itself with the first one.

    By itself it loads scipy.linalg, too, for `np.cov` and `np.corrcoef` in kernels,
    which ours do not call: a quarter of what there is to load.  To be removed once
    numba looks for it where it is used.
    """
    with without("scipy.linalg"):
        cpu_target.target_context.refresh()
