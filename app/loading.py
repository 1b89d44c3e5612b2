"""How modules are loaded where somebody waits for it: a service that was killed."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def uncollected() -> Iterator[None]:
    """Let no garbage be looked for: while modules are loaded there is none."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def without(name: str) -> Iterator[None]:
    """Let what is imported do without a module that it would load only in case.

    Meanwhile its import raises `ModuleNotFoundError`, in all threads; afterwards it can
    be imported.  One that is there already stays.
    """
    modules: dict[str, Any] = sys.modules
    if name in modules:
        yield
        return
    modules[name] = None
    try:
        yield
    finally:
        del modules[name]
