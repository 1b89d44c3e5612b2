"""From the numbers of a message to arrays, with few Python objects on the way."""

from __future__ import annotations

import struct
from itertools import chain

import numpy as np

from app.domain import Float32Array, FloatArray
from app.wire.messages import Row

LATEST_TIME = 253_370_764_800.0
"""9999-01-01, in seconds since the epoch; later cannot be told as a date."""


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
    if set(map(len, rows)) != {n_channels}:
        index = next(i for i, row in enumerate(rows) if len(row) != n_channels)
        raise WrongShape(
            f"reading {index} of the message has {len(rows[index])} values, "
            f"but the profile has {n_channels} channels"
        )
    try:
        packed = struct.pack(f"<{len(rows) * n_channels}f", *chain.from_iterable(rows))
    except (struct.error, OverflowError):
        with np.errstate(over="ignore"):
            return np.array(rows, dtype=np.float32)
    return np.frombuffer(packed, "<f4").reshape(-1, n_channels)


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
    return np.frombuffer(block, "<f4").reshape(-1, n_channels)


def device_times(time: float | list[float], n: int, rate_hz: float) -> FloatArray:
    """Give each reading the device's time; a broken clock is clamped, not refused.

    Parameters
    ----------
    time : float or list of float, seconds since the epoch
        Of the first reading, or of each.
    n : int
        How many readings there are.

    Returns
    -------
    float64 array (n,), each 0..`LATEST_TIME`; NaN becomes 0

    Examples
    --------
    >>> device_times(-5.0, 3, rate_hz=10.0).tolist()
    [0.0, 0.0, 0.0]
    """
    if isinstance(time, list):
        times = np.array(time, dtype=np.float64)
    else:
        times = time + np.arange(n) / rate_hz
    if not (times[0] >= 0.0 and times[-1] <= LATEST_TIME) or isinstance(time, list):
        times = np.clip(np.nan_to_num(times, nan=0.0), 0.0, LATEST_TIME)
    return times


class Arrivals:
    """Times of readings whose device did not say: the last one has just arrived."""

    def __init__(self, rate_hz: float, most: int) -> None:
        self._offsets = np.arange(1 - most, 1) / rate_hz

    def of(self, n: int, now: float) -> FloatArray:
        """Space `n` readings by the sampling interval, the last at `now`.

        Examples
        --------
        >>> Arrivals(rate_hz=2.0, most=10).of(3, now=10.0).tolist()
        [9.0, 9.5, 10.0]
        """
        return self._offsets[-n:] + now
