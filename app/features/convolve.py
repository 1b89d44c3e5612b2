"""Small patterns in mixtures of channels: how strong, and how often.

MiniRocket's kernels (Dempster, Schmidt & Webb, KDD 2021): nine taps of which three
weigh 2 and six weigh -1, in every one of the 84 ways, spread over the window by a
dilation.  Three things are ours.  Channels are not normalised, because amplitude tells
muscles apart; biases are therefore shares of a convolution's own size, so nothing is
fitted and a window alone gives its features; and each pattern looks at `MIXTURES_EACH`
of `N_MIXTURES` sums of channels, which spreads few patterns over many mixtures.

Per convolution: the logarithm of its root mean square, and the shares of readings above
-1/2, 0 and 1/2 of that.
"""

from __future__ import annotations

import itertools
import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from app.domain import FloatArray
from app.domain.compiled import compiled
from app.features.kernels import TINY

TAPS = 9
DILATIONS = (1, 2, 3)
N_MIXTURES, MIXTURES_EACH = 17, 4
"""17 and 84 have no common divisor: patterns and mixtures meet evenly."""
MOST_MIXED = 9
MOST_READINGS = 1024
"""Longer bodies are averaged over blocks, so that time and memory have a bound."""
FLAT = 1e-6
"""Of a mixture's own size: a convolution below it is rounding, not a pattern."""
SAYS = ("log_size", "mostly", "half", "often")

_TRIPLES = np.array(list(itertools.combinations(range(TAPS), 3)), dtype=np.int64)
N_CONVOLVED = len(DILATIONS) * len(_TRIPLES) * MIXTURES_EACH * len(SAYS)


@cache
def describe() -> tuple[str, ...]:
    """Name what `convolve` returns: pattern<taps>/<dilation>#<mixture>.<what>."""
    out = []
    for dilation in DILATIONS:
        for k, (a, b, c) in enumerate(_TRIPLES.tolist()):
            for r in range(MIXTURES_EACH):
                mixture = (k * MIXTURES_EACH + r) % N_MIXTURES
                stem = f"pattern{a}{b}{c}/{dilation}#{mixture}"
                out += [f"{stem}.{what}" for what in SAYS]
    return tuple(out)


def convolve(body: FloatArray) -> FloatArray:
    """Describe a body (n_channels, n) by `N_CONVOLVED` finite numbers."""
    block = -(-body.shape[1] // MOST_READINGS)
    if block > 1:
        starts = np.arange(0, body.shape[1], block)
        sizes = np.diff(starts, append=body.shape[1])
        body = np.add.reduceat(body, starts, axis=1) / sizes
    out = np.empty(N_CONVOLVED)
    mixtures = _mixtures(len(body))
    _convolve(body, _TRIPLES, np.array(DILATIONS), mixtures, MIXTURES_EACH, out)
    return out


@cache
def _mixtures(n_channels: int) -> NDArray[np.bool_]:
    """Return which channels each mixture sums, (n_dilations, N_MIXTURES, n_channels).

    Drawn by a generator of our own, so that no library's update changes features: the
    number of channels evenly over its logarithm, as MiniRocket does, then which.
    """
    state = 0x2545F491
    most = min(n_channels, MOST_MIXED)

    def draw(below: int) -> int:
        nonlocal state  # Park & Miller's minimal standard, 1988
        state = state * 48_271 % 0x7FFFFFFF
        return state * below // 0x7FFFFFFF

    table = np.zeros((len(DILATIONS), N_MIXTURES, n_channels), dtype=np.bool_)
    for mixture in table.reshape(-1, n_channels):
        size = int(2.0 ** (math.log2(most + 1) * draw(1 << 20) / (1 << 20)))
        left = list(range(n_channels))
        for _ in range(min(size, most)):
            mixture[left.pop(draw(len(left)))] = True
    return table


@compiled
def _convolve(
    body: FloatArray,
    triples: NDArray[np.int64],
    dilations: NDArray[np.int64],
    mixtures: NDArray[np.bool_],
    each: int,
    out: FloatArray,
) -> None:
    n_channels, n = body.shape
    n_mixtures = mixtures.shape[1]
    taps = np.empty((n_mixtures, TAPS, n))
    sums = np.empty((n_mixtures, n))
    floor = np.empty(n_mixtures)
    y = np.empty(n)
    x = np.empty(n)
    at = 0
    for d in range(len(dilations)):
        for m in range(n_mixtures):
            x[:] = 0.0
            for c in range(n_channels):
                if mixtures[d, m, c]:
                    for i in range(n):
                        x[i] += body[c, i]
            power = 0.0
            for i in range(n):
                power += x[i] * x[i]
            floor[m] = FLAT * math.sqrt(power / n) + TINY
            sums[m] = 0.0
            for t in range(TAPS):
                shift = (t - TAPS // 2) * dilations[d]
                for i in range(n):  # the ends are continued as they are
                    v = x[min(max(i + shift, 0), n - 1)]
                    taps[m, t, i] = v
                    sums[m, i] += v
        mixture = 0
        for k in range(len(triples)):
            p, q, r = triples[k]
            for _ in range(each):
                power = 0.0
                for i in range(n):
                    v = (
                        3.0 * (taps[mixture, p, i] + taps[mixture, q, i])
                        + 3.0 * taps[mixture, r, i]
                        - sums[mixture, i]
                    )
                    y[i] = v
                    power += v * v
                size = math.sqrt(power / n)
                mostly = n
                half = 0
                often = 0
                if size > floor[mixture]:
                    mostly = 0
                    for i in range(n):
                        mostly += y[i] > -0.5 * size
                        half += y[i] > 0.0
                        often += y[i] > 0.5 * size
                out[at] = math.log(size + floor[mixture])
                out[at + 1] = mostly / n
                out[at + 2] = half / n
                out[at + 3] = often / n
                at += 4
                mixture = (mixture + 1) % n_mixtures
