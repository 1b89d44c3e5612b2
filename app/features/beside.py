"""Context -> columns beside those of the window: the part ``+c1`` of a feature set.

What is not known is 0 everywhere, so an event without a past is one like any other:

======================  =============================================================
session.events          log(1 + n) of the events before in the session
session.within...       and of those that ended within the last 10, 60 and 600 s
previous.known          1 if there is an event before
previous.seconds_ago    log(1 + s) from its end on; ``previous.seconds``: of its length
previous.probability    of its label, ``previous.unknown``: 1 if that was not credible
previous.class0 ...     its probabilities, and ``recent.class0`` ... the mean of the
                        last events' labels, as mixtures of the classes' `code`
past.events             log(1 + n) of the device's events that its past is made of
past.seconds            log(1 + s) of their median length, ``past.spread`` of its spread
past.longer             log(1 + s) of this event's length less that of the median
past.share0 ...         shares of classes in the past, as mixtures of codes
past.<channel>          log power of this event's channel less its mean in the past, in
                        standard deviations
======================  =============================================================

A class is a fixed point of `CODES` numbers that its name gives, not a column of its
own: the vector has one length whatever the classes are, and a new one needs no new
features, no restart and no other artefact.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from app.domain import Float32Array, FloatArray
from app.domain.context import Context, Earlier, Past

CODES = 8
FARTHEST = 10.0
"""Standard deviations that a channel's power can be from its past."""
LEAST_SPREAD = 0.05
"""Of log power: a device that never varies is no reason for huge numbers."""

_SESSION = (
    *("session.events", "session.within10", "session.within60", "session.within600"),
    *("previous.known", "previous.seconds_ago", "previous.seconds"),
    *("previous.probability", "previous.unknown"),
    *(f"previous.class{k}" for k in range(CODES)),
    *(f"recent.class{k}" for k in range(CODES)),
)
_PAST = (
    *("past.events", "past.seconds", "past.spread", "past.longer"),
    *(f"past.share{k}" for k in range(CODES)),
)


def context_names(channels: Sequence[str]) -> tuple[str, ...]:
    """Names of the columns, in the order of `encode`."""
    return (*_SESSION, *_PAST, *(f"past.{channel}" for channel in channels))


def context_width(n_channels: int) -> int:
    """Return the number of columns.

    Examples
    --------
    >>> context_width(8)
    45
    """
    return len(_SESSION) + len(_PAST) + n_channels


def encode(
    context: Context | None, seconds: float, log_power: FloatArray
) -> Float32Array:
    """Turn what was known beside a window into columns.

    Parameters
    ----------
    context : Context or None
        None: nothing was known.
    seconds : float > 0
        How long the event is.
    log_power : float64 array (n_channels,)
        The features of that name of its window.

    Returns
    -------
    float32 array (context_width(n_channels),)
        Finite; bit for bit the same for the same arguments.
    """
    out = np.zeros(context_width(len(log_power)))
    if context is not None:
        out[0] = math.log1p(context.events)
        out[1:4] = [math.log1p(n) for n in context.within]
        if context.earlier:
            out[4 : len(_SESSION)] = _earlier(context.earlier)
        if context.past is not None:
            out[len(_SESSION) :] = _past(context.past, seconds, log_power)
    return out.astype(np.float32)


@lru_cache(maxsize=10_000)
def code(label: str) -> tuple[float, ...]:
    """Return the point that stands for a class, each number in [-1, 1).

    Examples
    --------
    >>> len(code("fist")), code("fist") == code("fist"), code("fist") == code("rest")
    (8, True, False)
    """
    raw = hashlib.sha256(
        b"onset class 1" + label.encode(errors="surrogatepass")
    ).digest()
    return tuple(int(v) / 2**31 - 1.0 for v in np.frombuffer(raw, "<u4"))


def _mixture(shares: Mapping[str, float]) -> list[float]:
    """Mix the points of classes by their shares, in the order of their names."""
    mixed = [0.0] * CODES
    for label in sorted(shares):
        for k, v in enumerate(code(label)):
            mixed[k] += shares[label] * v
    return mixed


def _earlier(earlier: Sequence[Earlier]) -> list[float]:
    previous = earlier[0]
    said = previous.probabilities or {previous.label: previous.probability}
    recent: dict[str, float] = {}
    for one in earlier:
        if one.label:
            share = one.probability / len(earlier)
            recent[one.label] = recent.get(one.label, 0.0) + share
    return [
        1.0,
        math.log1p(max(previous.seconds_ago, 0.0)),
        math.log1p(max(previous.seconds, 0.0)),
        previous.probability,
        float(previous.unknown),
        *_mixture(said if previous.label else {}),
        *_mixture(recent),
    ]


def _past(past: Past, seconds: float, log_power: FloatArray) -> list[float]:
    median, spread = past.seconds
    away = [0.0] * len(log_power)
    if len(past.log_power) == len(log_power):
        for c, (mean, deviation) in enumerate(past.log_power):
            steps = (float(log_power[c]) - mean) / max(deviation, LEAST_SPREAD)
            away[c] = min(max(steps, -FARTHEST), FARTHEST)
    return [
        math.log1p(past.events),
        math.log1p(max(median, 0.0)),
        math.log1p(max(spread, 0.0)),
        math.log1p(seconds) - math.log1p(max(median, 0.0)),
        *_mixture(past.shares),
        *away,
    ]
