"""How much one key may ask by REST, and one peer of a socket say.

A key has a bucket of requests that fills at a steady rate.

Told in every answer to a key, as draft-ietf-httpapi-ratelimit-headers has it:

    RateLimit-Policy: "key";q=1000;w=2     at most 1000 at once, full again after 2 s
    RateLimit: "key";r=998;t=1             998 are left; full again in 1 s
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

BURST_SECONDS = 2
"""A page that opens asks for much at once, and then little."""
MOST_KEYS = 10_000
"""Buckets in memory; the one that was used longest ago is full again anyway."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a request: `wait_seconds` is 0 where it was let through."""

    left: int
    wait_seconds: float
    full_seconds: float


class Allowance:
    """A bucket for each key, in this process.

    Parameters
    ----------
    per_second : float > 0
        Requests that one key may make for ever.
    clock : function that returns seconds

    Examples
    --------
    >>> allowance = Allowance(1.0, clock=lambda: 0.0)
    >>> [allowance.take("ada").wait_seconds for _ in range(3)]
    [0.0, 0.0, 1.0]
    """

    def __init__(
        self, per_second: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.per_second = per_second
        self.burst = max(1, round(per_second * BURST_SECONDS))
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> Taken:
        """Take one request out of a key's bucket."""
        now = self._clock()
        held, since = self._buckets.pop(key, (float(self.burst), now))
        held = min(float(self.burst), held + (now - since) * self.per_second)
        wait = 0.0 if held >= 1.0 else (1.0 - held) / self.per_second
        if not wait:
            held -= 1.0
        self._buckets[key] = (held, now)
        if len(self._buckets) > MOST_KEYS:
            self._buckets.popitem(last=False)
        return Taken(int(held), wait, (self.burst - held) / self.per_second)

    def headers(self, taken: Taken) -> Mapping[str, str]:
        """Say the limit and what is left of it."""
        said = {
            "RateLimit-Policy": f'"key";q={self.burst};w={BURST_SECONDS}',
            "RateLimit": f'"key";r={taken.left};t={math.ceil(taken.full_seconds)}',
        }
        if taken.wait_seconds:
            said["Retry-After"] = str(math.ceil(taken.wait_seconds))
        return said


class Tempo:
    """Counts what one peer sends, and looks at the clock only when it is much.

    Parameters
    ----------
    most : int > 0
        So many may come in a second.
    clock : function that returns seconds

    Examples
    --------
    >>> tempo = Tempo(2, clock=lambda: 0.0)
    >>> [tempo.too_fast() for _ in range(3)]
    [False, False, True]
    """

    __slots__ = ("_clock", "_counted", "_since", "most")

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        self.most = most
        self._clock = clock
        self._counted = 0
        self._since = clock()

    @property
    def left(self) -> int:
        """How many more may come before the clock is looked at."""
        return self.most - self._counted

    def count(self, n: int) -> None:
        """Count `n` that were let through elsewhere."""
        self._counted += n

    def too_fast(self) -> bool:
        """Count one; say whether `most` before it did not even take a second."""
        self._counted += 1
        if self._counted <= self.most:
            return False
        now = self._clock()
        took, self._since, self._counted = now - self._since, now, 0
        return took < 1.0
