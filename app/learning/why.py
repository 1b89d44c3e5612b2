"""Why a model said what it said of a window, in channels and stretches of time.

A channel, or a stretch of all channels, is replaced by its *baseline*: what the channel
did before the event, or where that is not known, where it was calmest.  How far the
probability of the class falls without it, and how far it rises when there is nothing
else, make its weight: the mean of the first and the last of the orders that Shapley's
value counts (Shapley 1953).  So a part is found that decides although another would
have sufficed.

Everything is asked of the version that predicted, through the function that extracts
features while serving; the number of variants is bounded.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from app import features
from app.domain import Context, Float32Array, FloatArray
from app.errors import InvalidReadings
from app.learning.model import Model

PARTS = 8
"""Stretches that the event is cut into."""
LEAST_PART = 4
"""Readings of a stretch, at least."""
LEAST_BEFORE = 8
"""Readings before the event that show what is usual; with fewer the calmest do."""
MAX_CHANNELS = 64
"""Of more channels, only those that move most are tried."""
MOST_VALUES = 20_000_000
"""Readings times channels over all variants, about a second; of windows so large that
it does not suffice, fewer channels are tried, but at least `LEAST_CHANNELS`."""
LEAST_CHANNELS = 4
CLIP = 3.0
CLEAR = 0.05
"""Weight below which nothing is called decisive."""


@dataclass(frozen=True, slots=True)
class Weight:
    """What one channel, or one stretch of time, does for the class.

    Parameters
    ----------
    weight : float in [-1, 1]
        Mean of what is lost without it and what it brings alone; below 0 it speaks
        against the class.
    without, alone : float in [0, 1]
        Probability of the class without it, and with nothing else.
    """

    weight: float
    without: float
    alone: float


@dataclass(frozen=True, slots=True, eq=False)
class Why:
    """What decided for a class.

    Parameters
    ----------
    label : str
    probability : float in [0, 1]
        Of the class, of the window as it is.
    nothing : float in [0, 1]
        Of the class, when no channel has anything but its baseline.
    channels : mapping of the number of a channel to its weight
    parts : list of (first reading, reading after the last, weight)
        Within the window, in order of time.
    """

    label: str
    probability: float
    nothing: float
    channels: dict[int, Weight]
    parts: list[tuple[int, int, Weight]]

    def sentence(self, names: Sequence[str], rate_hz: float, pre_roll: int) -> str:
        """Say it in words; times are seconds from the onset."""
        channel = max(self.channels, key=lambda c: self.channels[c].weight)
        a, b, part = max(self.parts, key=lambda p: p[2].weight)
        what = self.channels[channel]
        if max(what.weight, part.weight) < CLEAR:
            return (
                f"{self.label!r} with probability {self.probability:.2f}; no single "
                "channel or part of the event decides"
            )
        begin, end = (a - pre_roll) / rate_hz, (b - pre_roll) / rate_hz
        return (
            f"{self.label!r} with probability {self.probability:.2f}, most of all by "
            f"{names[channel]} (without it {what.without:.2f}) and by what is between "
            f"{begin:.2f} s and {end:.2f} s (without it {part.without:.2f})"
        )


def explain(
    model: Model,
    window: Float32Array,
    pre_roll: int,
    post_roll: int,
    label: str,
    context: Context | None = None,
) -> Why:
    """Find what in a window decides for a class.

    Parameters
    ----------
    model : Model
    window : float32 array (n_readings >= 1, n_channels), finite
    pre_roll, post_roll : int >= 0, in readings
    label : str, one of the model's classes
    context : Context or None
        What was known beside the window; it stays as it was.

    Raises
    ------
    InvalidReadings
        If the window is not the model's, or the class is none of its.
    """
    if label not in model.classes:
        raise InvalidReadings(f"{label!r} is none of {', '.join(model.classes)}")
    if window.ndim != 2 or not len(window) or window.shape[1] != model.n_channels:
        raise InvalidReadings(
            f"window of shape {window.shape} must be (n_readings, {model.n_channels})"
        )
    start, stop = pre_roll, len(window) - post_roll
    if start >= stop:
        start, stop = 0, len(window)
    parts = _parts(start, stop)
    chosen = _tried(window, start, stop)
    baseline = _baseline(window, start, stop)
    cuts = [(slice(start, stop), slice(c, c + 1)) for c in chosen]
    cuts += [(slice(a, b), slice(None)) for a, b in parts]
    calm = window.copy()
    calm[start:stop] = baseline[start:stop]
    variants = itertools.chain((window, calm), _variants(window, calm, cuts))
    reads = model.feature_set
    rows = [
        features.extract(one, model.rate_hz, pre_roll, post_roll, reads, context)
        for one in variants
    ]
    every = model.probabilities(np.array(rows)).astype(np.float64)
    said = every[:, model.classes.index(label)]
    full, nothing = float(said[0]), float(said[1])
    weights = [
        Weight(0.5 * (full - without + alone - nothing), float(without), float(alone))
        for without, alone in zip(said[2::2], said[3::2], strict=True)
    ]
    return Why(
        label,
        full,
        nothing,
        dict(zip(chosen, weights, strict=False)),
        [(a, b, w) for (a, b), w in zip(parts, weights[len(chosen) :], strict=True)],
    )


def nearest(
    row: Float32Array, others: Float32Array, limit: int
) -> list[tuple[int, float]]:
    """Find the rows that are most like one row.

    Parameters
    ----------
    row : float32 array (n_features,)
    others : float32 array (n_rows, n_features)
    limit : int > 0

    Returns
    -------
    list of (number of the row, distance), nearest first
        The distance is the mean one of a feature in standard deviations of `others`,
        each at most ``2 * CLIP``.

    Examples
    --------
    >>> others = np.array([[0, 0], [4, 4], [1, 0], [3, 4]], np.float32)
    >>> [i for i, _ in nearest(np.array([4, 3], np.float32), others, 2)]
    [1, 3]
    """
    if not len(others):
        return []
    table = others.astype(np.float64)
    spread = table.std(axis=0)
    known = spread > 0
    if not known.any():
        return [(i, 0.0) for i in range(min(limit, len(others)))]
    centre = table[:, known].mean(axis=0)
    places = np.clip((table[:, known] - centre) / spread[known], -CLIP, CLIP)
    here = np.clip((row[known] - centre) / spread[known], -CLIP, CLIP)
    away = np.sqrt(((places - here) ** 2).mean(axis=1))
    return [(int(i), float(away[i])) for i in np.argsort(away, kind="stable")[:limit]]


Cut = tuple[slice, slice]
"""Readings and channels."""


def _variants(
    window: Float32Array, calm: Float32Array, cuts: Sequence[Cut]
) -> Iterator[Float32Array]:
    """Give for each cut the window without it, and nothing but it."""
    for cut in cuts:
        for whole, other in ((window, calm), (calm, window)):
            changed = whole.copy()
            changed[cut] = other[cut]
            yield changed


def _tried(window: Float32Array, start: int, stop: int) -> list[int]:
    """Choose the channels that are tried: all, or those that move most.

    How far a channel goes is counted in its own usual steps, so that units do not
    matter.
    """
    n_channels = window.shape[1]
    able = (MOST_VALUES // window.size - 2 * PARTS - 2) // 2
    count = min(MAX_CHANNELS, max(able, LEAST_CHANNELS))
    if n_channels <= count:
        return list(range(n_channels))
    body = window[start:stop].astype(np.float64)
    if len(body) < 2:
        return list(range(count))
    usual = np.maximum(np.median(np.abs(np.diff(body, axis=0)), axis=0), 1e-12)
    far = np.ptp(body, axis=0) / usual
    return sorted(int(c) for c in np.argsort(-far, kind="stable")[:count])


def _parts(start: int, stop: int) -> list[tuple[int, int]]:
    """Cut the event into stretches of about the same length."""
    count = max(1, min(PARTS, (stop - start) // LEAST_PART))
    edges = np.linspace(start, stop, count + 1).round().astype(int).tolist()
    return list(itertools.pairwise(edges))


def _baseline(window: Float32Array, start: int, stop: int) -> Float32Array:
    """Say what every channel might have done instead, for the whole window.

    The piece is repeated there and back again, so that nothing jumps.
    """
    piece = window[:start]
    if len(piece) < LEAST_BEFORE:
        piece = _calmest(window[start:stop])
    there = np.concatenate((piece, piece[::-1]))
    whole: Float32Array = there[(np.arange(len(window)) - start) % len(there)]
    return whole


def _calmest(body: Float32Array) -> Float32Array:
    """Give the stretch of each channel in which it is nearest to its median."""
    length = max(LEAST_PART, len(body) // PARTS)
    if len(body) <= length:
        level: Float32Array = np.median(body, axis=0, keepdims=True).astype(np.float32)
        return level
    out = np.empty((length, body.shape[1]), np.float32)
    off: FloatArray = np.abs(body - np.median(body, axis=0)).astype(np.float64)
    total = np.concatenate((np.zeros((1, body.shape[1])), off.cumsum(axis=0)))
    first = (total[length:] - total[:-length]).argmin(axis=0)
    for channel, at in enumerate(first):
        out[:, channel] = body[at : at + length, channel]
    return out
