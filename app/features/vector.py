"""Window -> feature vector: the one versioned function that serving and training share.

A window is cut into its pre-roll (what was before), its body (the event) and its
post-roll (not looked at).  Everything is computed in float64, channel after channel in
a fixed order, and rounded to float32 at the end, so the same window gives the same
bytes wherever it is asked for.

Per channel, over the body:

=====================  ==============================================================
mean ... crossings     plain aggregates; ``energy`` is the sum of squares, ``count``
                       the readings, ``crossings`` those of the mean, per second
q10 ... q90, log_q10   quantiles, and the logarithm of their size
skew, tails            third and fourth standardised moments
log_power, log_std     logarithms, where gestures of different strength lie evenly
share                  log_power minus its mean over channels: shape without strength
log_pre, gain          log power of the pre-roll, and how far the body rises above it
roughness              log power of the differences over that of the readings
octave1 ... octave7    log share of the spectrum in octaves down from half the rate;
                       the last takes all that is below
centroid               mean frequency, Hz
third1 ... third3      share of each third of the body, and its mean (``_mean``)
                       relative to the body's
=====================  ==============================================================

Between channels: correlation and the matrix logarithm of the second moment for every
pair up to `PAIRED_CHANNELS` channels; beyond, correlation of neighbours only, so that
the vector grows with the number of channels, not with its square.

That is feature set ``v1``.  ``v2`` is the same and after it what `convolve` makes of
mixtures of channels: a thousand small patterns, how strong each is in the body and how
often it occurs.  It pays where the course of a signal tells more than its strength, and
costs ten times the time, so a model says which of both it reads.

``v1+c1`` and ``v2+c1`` have columns after it that say what was known beside the window,
of the session and of the device (`beside`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache

import numpy as np

from app.domain import Float32Array, FloatArray
from app.domain.context import Context, Earlier, Past
from app.errors import InvalidReadings
from app.features.beside import context_names, context_width, encode
from app.features.convolve import N_CONVOLVED, convolve, describe
from app.features.kernels import (
    COLUMNS,
    add_power,
    aggregate,
    compare,
    cross,
    finish,
    octaves,
)

PLAIN, CONVOLVED = "v1", "v2"
CONTEXT = "+c1"
"""Behind the name of a set of window features: with what was known beside it."""
FEATURE_SETS = (PLAIN, CONVOLVED, PLAIN + CONTEXT, CONVOLVED + CONTEXT)
"""All begin with ``v1``; what is of the context comes last."""
PAIRED_CHANNELS = 16
LARGEST = 1e18
"""Features are clipped to this: its square still fits into float32."""

_NOTHING = np.empty(0)
_LOG_POWER = COLUMNS.index("log_power")
_SEGMENT = 256  # readings in one piece of the averaged spectrum


def of_window(feature_set: str) -> str:
    """Return the part of a feature set that is of the window alone.

    Examples
    --------
    >>> of_window("v2+c1"), of_window("v1")
    ('v2', 'v1')
    """
    return feature_set.removesuffix(CONTEXT)


def reads_context(feature_set: str) -> bool:
    """Whether a feature set says what was known beside the window."""
    return feature_set.endswith(CONTEXT)


def with_context(feature_set: str, wanted: bool = True) -> str:
    """Return a feature set with what was known beside the window, or without."""
    return of_window(feature_set) + (CONTEXT if wanted else "")


def widest(*feature_sets: str) -> str:
    """Return the set that has the columns of all of these.

    Examples
    --------
    >>> widest("v1+c1", "v2")
    'v2+c1'
    """
    beside = any(reads_context(one) for one in feature_sets)
    return with_context(max(of_window(one) for one in feature_sets), beside)


def has(table: Float32Array, n_channels: int, feature_set: str) -> bool:
    """Whether a table (n_rows, n_columns) has all columns of a feature set."""
    n = table.shape[1]
    if not reads_context(feature_set):
        return bool(n >= width(n_channels, feature_set))
    sets = [one for one in FEATURE_SETS if reads_context(one) and one >= feature_set]
    return n in {width(n_channels, one) for one in sets}


def columns(table: Float32Array, n_channels: int, feature_set: str) -> Float32Array:
    """Return the columns of a feature set that the table has all of."""
    n = width(n_channels, of_window(feature_set))
    if not reads_context(feature_set):
        return table[:, :n]
    beside = table[:, -context_width(n_channels) :]
    return np.ascontiguousarray(np.hstack((table[:, :n], beside)))


def names(profile_channels: Sequence[str], feature_set: str = PLAIN) -> tuple[str, ...]:
    """Names of the features, in the order of `extract`.

    Examples
    --------
    >>> names(["x"])[:3]
    ('x.mean', 'x.min', 'x.max')
    >>> len(names(["x", "y"])), names(["x", "y"])[-1]
    (84, 'y*y.log_moment')
    >>> len(names(["x", "y"], "v2")), names(["x", "y"], "v2")[-1]
    (4116, 'pattern678/3#12.often')
    """
    channels = list(profile_channels)
    n = len(channels)
    pairs = [(a, b) for a in range(n) for b in range(a + 1, n)]
    moments = [(a, b) for a in range(n) for b in range(a, n)]
    if n > PAIRED_CHANNELS:
        pairs, moments = [(a, a + 1) for a in range(n - 1)], []
    return (
        *(f"{c}.{f}" for c in channels for f in COLUMNS),
        *(f"{channels[a]}*{channels[b]}.correlation" for a, b in pairs),
        *(f"{channels[a]}*{channels[b]}.log_moment" for a, b in moments),
        *(describe() if of_window(feature_set) == CONVOLVED else ()),
        *(context_names(channels) if reads_context(feature_set) else ()),
    )


def width(n_channels: int, feature_set: str = PLAIN) -> int:
    """Return the number of features of a window of so many channels.

    Examples
    --------
    >>> width(2), width(2, "v2"), width(2, "v2+c1")
    (84, 4116, 4155)
    """
    n = n_channels
    between = n * n if n <= PAIRED_CHANNELS else n - 1
    extra = N_CONVOLVED if of_window(feature_set) == CONVOLVED else 0
    beside = context_width(n) if reads_context(feature_set) else 0
    return n * len(COLUMNS) + between + extra + beside


def extract(
    window: Float32Array,
    rate_hz: float,
    pre_roll: int = 0,
    post_roll: int = 0,
    feature_set: str = PLAIN,
    context: Context | None = None,
) -> Float32Array:
    """Describe a window by a vector of fixed length.

    Parameters
    ----------
    window : float array (n_readings, n_channels), finite, n_readings >= 1
        In the units of the profile's channels.
    rate_hz : float > 0
        Readings per second.
    pre_roll, post_roll : int >= 0, in readings
        How much of `window` lies before and after the event.  Where they leave no
        body, the whole window is the body.
    feature_set : {"v1", "v2", "v1+c1", "v2+c1"}
    context : Context or None
        What was known beside the window, for a set that says so; None: nothing.

    Returns
    -------
    float32 array (n_features,)
        Finite; bit for bit the same for the same arguments.

    Raises
    ------
    InvalidReadings
        If the window is empty, not two-dimensional or not finite.

    Examples
    --------
    >>> vector = extract(np.ones((3, 2), np.float32), rate_hz=50.0)
    >>> vector.dtype, dict(zip(names(["x", "y"]), vector))["x.sum"]
    (dtype('float32'), np.float32(3.0))
    """
    if window.ndim != 2 or 0 in window.shape:
        raise InvalidReadings(
            f"window of shape {window.shape} must be (n_readings >= 1, n_channels >= 1)"
        )
    series = np.array(window.T, dtype=np.float64, order="C")
    if not np.isfinite(series).all():
        raise InvalidReadings("window must be finite: clean missing values before")
    n_channels, n = series.shape
    start, stop = max(pre_roll, 0), n - max(post_roll, 0)
    if start >= stop:
        start, stop = 0, n
    body = series[:, start:stop].copy()
    table = np.zeros((n_channels, len(COLUMNS)))
    aggregate(body, np.sort(body, axis=1), rate_hz, table)
    compare(series[:, :start].copy(), body, table)
    _spectrum(body, rate_hz, table)
    between = cross(body, n_channels <= PAIRED_CHANNELS)
    more = convolve(body) if of_window(feature_set) == CONVOLVED else _NOTHING
    row = finish(table, between, more, LARGEST)
    if not reads_context(feature_set):
        return row
    beside = encode(context, (stop - start) / rate_hz, table[:, _LOG_POWER])
    return np.concatenate((row, beside))


def digest(features: Float32Array) -> str:
    """Sixteen hexadecimal digits that tell one feature vector from another.

    Examples
    --------
    >>> digest(np.zeros(3, np.float32))
    '15ec7bf0b50732b4'
    """
    raw = np.ascontiguousarray(features, dtype="<f4").tobytes()
    return hashlib.sha256(raw).hexdigest()[:16]


@cache
def fingerprint(feature_set: str = PLAIN) -> str:
    """Digest of what this process's code makes of a few fixed windows.

    A model carries the fingerprint it was trained with.  Code that was changed without
    a new name of the set has another one, and the model is refused.  Four digits of
    every feature count, so another machine's last bit does not.
    """
    text = feature_set
    for n, channels, pre, post in ((250, 8, 40, 20), (30, 6, 0, 0), (7, 20, 2, 1)):
        # integers only: the same on every machine and in every version of numpy
        ramp = np.arange(n * channels, dtype=np.int64).reshape(n, channels)
        counts = (ramp * 7919 + ramp**2 * 31) % 2003 - 700
        window: Float32Array = (counts / 8).astype(np.float32)
        row = extract(window, 50.0, pre, post, feature_set, _known(channels))
        text += ",".join(f"{v:.3e}" for v in row)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _known(n_channels: int) -> Context:
    """Give a context that every column of `beside` says something of."""
    said = {"fist": 0.75, "rest": 0.25}
    before = (
        Earlier(2.5, 1.25, "fist", 0.75, True, said),
        Earlier(9.0, 0.5, "rest", 0.5),
    )
    power = tuple((float(c), 1.0 + c) for c in range(n_channels))
    return Context(7, before, (1, 2, 5), Past("", 40, (1.5, 0.5), said, power))


def _spectrum(body: FloatArray, rate_hz: float, table: FloatArray) -> None:
    """Average the power spectra of pieces of the body, each less its mean."""
    n_channels, n = body.shape
    length = min(n, _SEGMENT)
    power = np.zeros((n_channels, length // 2 + 1))
    starts = [*range(0, n - length, length), n - length]  # the last one ends at the end
    for a in starts:
        piece = body[:, a : a + length]
        mean = np.add.reduce(piece, axis=1, keepdims=True) / length
        add_power(np.fft.rfft(piece - mean, axis=1), power)
    octaves(power, length, rate_hz, table)
