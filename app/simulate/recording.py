"""What a device has to say: readings with the truth about their events."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

import numpy as np

from app.domain import Float32Array, FloatArray
from app.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Truth:
    """An event that is known to be there: ``[start, end)`` on the recording's clock."""

    start: float
    end: float
    label: str


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """One boot of one device.

    Parameters
    ----------
    device, part : str
        Which device, and which of its recordings; parts play in order.
    channels : tuple of str
    rate_hz : float, readings per second
    t : float64 array (n_readings,), seconds, never decreasing
    values : float32 array (n_readings, n_channels)
    truth : tuple of Truth, by start
    """

    device: str
    part: str
    channels: tuple[str, ...]
    rate_hz: float
    t: FloatArray
    values: Float32Array
    truth: tuple[Truth, ...] = ()

    def __post_init__(self) -> None:
        shape = (len(self.t), len(self.channels))
        if self.values.shape != shape or self.t.ndim != 1 or not len(self.t):
            raise InvalidInput(
                f"recording {self.name}: values {self.values.shape} must be {shape} "
                "with at least one reading"
            )
        if not np.isfinite(self.t).all() or (np.diff(self.t) < 0).any():
            raise InvalidInput(
                f"recording {self.name}: column t must be finite and never decrease"
            )

    @property
    def name(self) -> str:
        """``<device>_<part>``, or the device's name alone if it has one part."""
        return f"{self.device}_{self.part}" if self.part else self.device

    @property
    def seconds(self) -> float:
        """Time from the first to the last reading."""
        return float(self.t[-1] - self.t[0])

    @property
    def digest(self) -> str:
        """Eight hex digits that change when a reading changes."""
        crc = zlib.crc32(np.ascontiguousarray(self.values).tobytes())
        return f"{zlib.crc32(self.t.tobytes(), crc):08x}"

    def seconds_at(self, seq: int) -> float:
        """Where reading `seq` (from 1) lies on the recording's own clock, in seconds.

        One beyond the last reading is one interval later.
        """
        if seq <= len(self.t):
            return float(self.t[max(seq, 1) - 1])
        return float(self.t[-1] + 1.0 / self.rate_hz)

    def span_seconds(self, onset_seq: int, offset_seq: int) -> tuple[float, float]:
        """Turn the numbers of an event into ``[start, end)`` in seconds."""
        return self.seconds_at(onset_seq), self.seconds_at(offset_seq)


def split_name(name: str) -> tuple[str, str]:
    """Take ``<device>_<part>`` apart; without ``_`` the device has one part.

    Examples
    --------
    >>> split_name("p10000_s1"), split_name("left_arm_2"), split_name("trip17")
    (('p10000', 's1'), ('left_arm', '2'), ('trip17', ''))
    """
    device, _, part = name.rpartition("_")
    return (device, part) if device and part else (name, "")


def safe_name(text: str) -> str:
    """Make a name that a device or profile may have.

    Examples
    --------
    >>> safe_name("left arm (2)"), safe_name("_x")
    ('left-arm-2', 'x')
    """
    return re.sub(r"[^A-Za-z0-9_.:]+", "-", text).strip("-_.:")[:64] or "unnamed"
