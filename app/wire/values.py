"""From the numbers of a message to arrays, with few Python objects on the way."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import lru_cache
from itertools import chain

import numpy as np

from app.domain import Float32Array, FloatArray
from app.wire.messages import Row

LATEST_TIME = 253_370_764_800.0
"""9999-01-01, in seconds since the epoch; later cannot be told as a date."""

_FLOAT32 = np.dtype("<f4")


class WrongShape(Exception):
    """Readings that do not have the channels of the profile."""


def from_rows(rows: list[Row], n_channels: int) -> Float32Array:
    """Make an array of rows of numbers; None becomes NaN, too large infinity.

    Returns
    -------
    float32 array (n_readings, n_channels)

    Raises
    ------
    WrongShape
        If a row does not have `n_channels` numbers.

    Examples
    --------
    >>> from_rows([[1.0, None], [1e300, 2.0]], 2)
    array([[ 1., nan],
           [inf,  2.]], dtype=float32)
    """
    n = len(rows)
    if len(rows[0]) != n_channels or (n > 1 and set(map(len, rows)) != {n_channels}):
        for index, row in enumerate(rows):
            require_width(len(row), n_channels, index)
    try:
        packed = _packer(n * n_channels)(*chain.from_iterable(rows))
    except (struct.error, OverflowError):
        with np.errstate(over="ignore"):
            return np.array(rows, dtype=np.float32)
    return np.ndarray((n, n_channels), _FLOAT32, packed)


def require_width(width: int, n_channels: int, index: int = 0) -> None:
    """Refuse reading `index` of a message if it does not have all channels.

    Raises
    ------
    WrongShape
    """
    if width != n_channels:
        raise WrongShape(
            f"reading {index} of the message has {width} values, "
            f"but the profile has {n_channels} channels"
        )


def from_block(block: bytes, n_channels: int) -> Float32Array:
    """Read little-endian float32, row-major, without copying.

    Returns
    -------
    float32 array (n_readings, n_channels), not writable

    Raises
    ------
    WrongShape
        If the block is not a whole number of readings.

    Examples
    --------
    >>> from_block(struct.pack("<4f", 1, 2, 3, 4), 2)
    array([[1., 2.],
           [3., 4.]], dtype=float32)
    """
    if len(block) % (4 * n_channels):
        raise WrongShape(
            f"a block of {len(block)} bytes is not a whole number of readings of "
            f"{n_channels} channels with 4 bytes each"
        )
    return np.ndarray((len(block) // (4 * n_channels), n_channels), _FLOAT32, block)


class Clock:
    """Times of readings, whether their device says them or not.

    Parameters
    ----------
    rate_hz : float > 0
        Spaces readings that have one time together.
    most : int > 0
        Readings of one message.
    """

    def __init__(self, rate_hz: float, most: int) -> None:
        self._offsets = np.arange(most) / rate_hz
        self.latest_arrival: FloatArray = np.zeros(1)
        """Seconds since the epoch, in an array where a kernel reaches it."""
        self.latest_first = LATEST_TIME - float(self._offsets[-1])
        """Latest time of a first reading that needs no clamping."""

    def said(self, time: float | list[float], n: int) -> FloatArray:
        """Give `n` readings the device's time; a broken clock is clamped, not refused.

        Parameters
        ----------
        time : float or list of `n` floats, seconds since the epoch
            Of the first reading, or of each.

        Returns
        -------
        float64 array (n,), each 0..`LATEST_TIME`; NaN becomes 0

        Examples
        --------
        >>> Clock(rate_hz=2.0, most=10).said(5.0, 3).tolist()
        [5.0, 5.5, 6.0]
        >>> Clock(rate_hz=2.0, most=10).said([-5.0, float("nan"), 7.0], 3).tolist()
        [0.0, 0.0, 7.0]
        """
        if isinstance(time, list):
            times = np.array(time, dtype=np.float64)
        elif 0.0 <= time <= self.latest_first:
            return np.array([time]) if n == 1 else self._offsets[:n] + time
        else:
            times = self._offsets[:n] + time
        return np.clip(np.nan_to_num(times, nan=0.0), 0.0, LATEST_TIME)

    def arrived(self, n: int, now: float) -> FloatArray:
        """Space `n` readings back from `now`, when the last one arrived.

        Never before a reading that arrived earlier: what comes faster than the rate
        is crowded together, and no event ends before it begins.

        Examples
        --------
        >>> clock = Clock(rate_hz=2.0, most=10)
        >>> clock.arrived(3, now=10.0).tolist()
        [9.0, 9.5, 10.0]
        >>> clock.arrived(3, now=10.5).tolist()
        [10.0, 10.0, 10.5]
        """
        latest = float(self.latest_arrival[0])
        if n == 1:
            self.latest_arrival[0] = latest = max(now, latest)
            return np.array((latest,))
        times = self._offsets[:n] + (now - float(self._offsets[n - 1]))
        if times[0] < latest:
            times = np.maximum(times, latest)
        self.latest_arrival[0] = times[-1]
        return times


@lru_cache(maxsize=4096)
def _packer(n: int) -> Callable[..., bytes]:
    return struct.Struct(f"<{n}f").pack
