"""Detector settings: what a profile may say, what it means when it says nothing.

Everything is in seconds, or a ratio without unit; nothing depends on the units of the
channels, their number or the rate.  Only ``limits`` are in the units of the channels:
by name, the lowest and the highest value that is credible.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.domain import MAX_CHANNELS, Float32Array, Json
from app.errors import InvalidDetector

MAX_SECONDS = 86_400.0
LARGEST = float(np.finfo(np.float32).max)
MOST_OVERLAPPING = 64
"""Windows that may be open at one time."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Default and allowed range of one number."""

    default: float
    low: float
    high: float
    exclusive: bool = False
    """Whether `low` itself is not allowed."""
    whole: bool = False
    """Whether it is a count."""

    def check(self, name: str, value: object) -> float:
        """Give the number, or say which rule it breaks."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidDetector(f"{name}={value!r} must be a number")
        number = float(value)
        bad = number <= self.low if self.exclusive else number < self.low
        if bad or number > self.high or not math.isfinite(number):
            word = "above" if self.exclusive else "at least"
            raise InvalidDetector(
                f"{name}={value!r} must be {word} {self.low:g} and at most "
                f"{self.high:g}"
            )
        if self.whole and number != math.floor(number):
            raise InvalidDetector(f"{name}={value!r} must be a whole number")
        return number


COMMON: Mapping[str, Rule] = {
    "min_seconds": Rule(1.0, 0.0, MAX_SECONDS),
    "max_seconds": Rule(60.0, 0.0, MAX_SECONDS, exclusive=True),
    "merge_seconds": Rule(0.5, 0.0, MAX_SECONDS),
    "pre_seconds": Rule(0.5, 0.0, 600.0),
    "post_seconds": Rule(0.5, 0.0, 600.0),
}
"""Until told: under a second it is a glitch, over a minute a state."""

KINDS: Mapping[str, Mapping[str, Rule]] = {
    "energy": {
        "on": Rule(6.0, 0.0, 1e6, exclusive=True),
        "off": Rule(1.0, 0.0, 1e6),
        "on_share": Rule(0.5, 0.0, 1.0),
        "off_share": Rule(0.35, 0.0, 1.0),
        "smooth_seconds": Rule(0.6, 0.0, 600.0),
        "baseline_seconds": Rule(20.0, 0.0, MAX_SECONDS, exclusive=True),
        **COMMON,
    },
    "mahalanobis": {
        "on": Rule(10.0, 0.0, 1e6, exclusive=True),
        "off": Rule(2.0, 0.0, 1e6),
        "on_share": Rule(0.5, 0.0, 1.0),
        "off_share": Rule(0.35, 0.0, 1.0),
        "smooth_seconds": Rule(0.6, 0.0, 600.0),
        "baseline_seconds": Rule(20.0, 0.0, MAX_SECONDS, exclusive=True),
        **COMMON,
    },
    "regimes": {
        "on": Rule(13.0, 0.0, 1e6, exclusive=True),
        "window_seconds": Rule(5.0, 0.0, 3600.0, exclusive=True),
        "min_seconds": Rule(1.0, 0.0, MAX_SECONDS),
        "max_seconds": Rule(300.0, 0.0, MAX_SECONDS, exclusive=True),
        "pre_seconds": Rule(0.0, 0.0, 600.0),
        "post_seconds": Rule(0.0, 0.0, 600.0),
    },
    "scored": {
        "change": Rule(6.0, 0.0, 1e3, exclusive=True),
        "lean": Rule(0.0, -20.0, 20.0),
        **{name: rule for name, rule in COMMON.items() if name != "merge_seconds"},
    },
    "sta_lta": {
        "on": Rule(3.0, 0.0, 1e6, exclusive=True),
        "off": Rule(1.0, 0.0, 1e6, exclusive=True),
        "sta_seconds": Rule(0.5, 0.0, MAX_SECONDS, exclusive=True),
        "lta_seconds": Rule(30.0, 0.0, MAX_SECONDS, exclusive=True),
        **COMMON,
    },
    "windows": {
        "size_readings": Rule(0.0, 0.0, 1e6, whole=True),
        "hop_readings": Rule(0.0, 0.0, 1e6, whole=True),
        "size_seconds": Rule(0.0, 0.0, MAX_SECONDS),
        "hop_seconds": Rule(0.0, 0.0, MAX_SECONDS),
        "gap_seconds": Rule(0.0, 0.0, MAX_SECONDS),
        "min_readings": Rule(1.0, 1.0, 1e6, whole=True),
        "max_readings": Rule(10_000.0, 1.0, 1e6, whole=True),
        "pre_seconds": Rule(0.0, 0.0, 600.0),
        "post_seconds": Rule(0.0, 0.0, 600.0),
    },
}

# (lesser, greater, equal allowed)
_ORDERS = (
    ("off", "on", False),
    ("off_share", "on_share", True),
    ("min_seconds", "max_seconds", True),
    ("sta_seconds", "lta_seconds", False),
    ("smooth_seconds", "baseline_seconds", False),
    ("window_seconds", "max_seconds", True),
    ("hop_readings", "size_readings", True),
    ("hop_seconds", "size_seconds", True),
    ("size_readings", "max_readings", True),
    ("min_readings", "max_readings", True),
)


def complete(settings: Json | None) -> dict[str, object]:
    """Fill in the defaults and check every value.

    Parameters
    ----------
    settings : mapping or None
        What a profile says; None is the default detector.

    Returns
    -------
    dict
        Every key of that kind, in a fixed order: equal settings give equal dicts.

    Raises
    ------
    InvalidDetector
        Naming the value and the rule that it breaks.

    Examples
    --------
    >>> complete({"kind": "sta_lta", "on": 4})["on"]
    4.0
    """
    given = dict(settings or {})
    kind = given.pop("kind", "energy")
    if not isinstance(kind, str) or kind not in KINDS:
        raise InvalidDetector(f"kind={kind!r} must be one of {', '.join(KINDS)}")
    rules = KINDS[kind]
    limits = _limits(given.pop("limits", None))
    model = {"model": _model(given)} if kind == "scored" else {}
    unknown = sorted(str(name) for name in given if name not in rules)
    if unknown:
        raise InvalidDetector(
            f"{unknown[0]!r} is not a setting of {kind!r}; it has {', '.join(rules)}"
        )
    full = {
        name: rule.check(name, given.get(name, rule.default))
        for name, rule in rules.items()
    }
    for less, more, equal in _ORDERS:
        if less in full and more in full:
            _in_order(full, less, more, equal=equal)
    if kind == "windows":
        _one_rule(full)
    return {"kind": kind, **full, **model, **({"limits": limits} if limits else {})}


def limits_of(settings: Json, channels: Sequence[str]) -> Float32Array:
    """Give what the values of each channel lie between, (2, n_channels).

    Parameters
    ----------
    settings : mapping, complete
    channels : names, in the order of a reading

    Returns
    -------
    float32 array (2, n_channels)
        Lowest and highest; finite, so what is not a number lies outside.

    Raises
    ------
    InvalidDetector
        If a limit is set for a channel that there is not.
    """
    out = np.empty((2, len(channels)), np.float32)
    out[0], out[1] = -LARGEST, LARGEST
    for name, both in settings.get("limits", {}).items():
        if name not in channels:
            raise InvalidDetector(
                f"limits of {name!r}: the channels are {', '.join(channels)}"
            )
        for side, limit in enumerate(both):
            if limit is not None:
                out[side, channels.index(name)] = limit
    return out


def _limits(given: object) -> dict[str, list[float | None]]:
    """Check limits by channel; each is lowest and highest, null for none."""
    if given is None:
        return {}
    if not isinstance(given, Mapping) or len(given) > MAX_CHANNELS:
        raise InvalidDetector(
            f"limits must be an object of at most {MAX_CHANNELS} channels, each with "
            "[lowest, highest]"
        )
    full: dict[str, list[float | None]] = {}
    rule = Rule(0.0, -LARGEST, LARGEST)
    for name, both in sorted(given.items()):
        if not isinstance(both, list | tuple) or len(both) != 2:
            raise InvalidDetector(f"limits of {name!r} must be [lowest, highest]")
        low, high = (
            None if v is None else rule.check(f"limits of {name!r}", v) for v in both
        )
        if low is not None and high is not None and low >= high:
            raise InvalidDetector(f"limits of {name!r}: {low:g} must be below {high:g}")
        if (low, high) != (None, None):
            full[str(name)] = [low, high]
    return full


def _model(given: dict[str, object]) -> str:
    """Take what was fitted out of the settings."""
    model = given.pop("model", None)
    if not isinstance(model, str):
        raise InvalidDetector("model is missing: a scored detector is fitted, not set")
    return model


def _in_order(full: Mapping[str, float], less: str, more: str, *, equal: bool) -> None:
    low, high = full[less], full[more]
    if low > high or (low == high and not equal):
        word = "at most" if equal else "below"
        raise InvalidDetector(f"{less}={low:g} must be {word} {more}={high:g}")


def _one_rule(full: Mapping[str, float]) -> None:
    """Check what cuts windows: one thing, without too many of them at one time."""
    used = [n for n in ("size_readings", "size_seconds", "gap_seconds") if full[n]]
    if len(used) > 1:
        both = " and ".join(f"{name}={full[name]:g}" for name in used)
        raise InvalidDetector(f"{both}: windows are cut by one of them")
    if full["size_readings"]:
        _in_order(full, "min_readings", "size_readings", equal=True)
    for unit in ("readings", "seconds"):
        size, hop = full[f"size_{unit}"], full[f"hop_{unit}"]
        if hop and size / hop > MOST_OVERLAPPING:
            raise InvalidDetector(
                f"hop_{unit}={hop:g} must be at least size_{unit}={size:g} / "
                f"{MOST_OVERLAPPING}"
            )
    size, hop = full["size_seconds"], full["hop_seconds"]
    if hop and abs(size / hop - round(size / hop)) > 1e-9:
        raise InvalidDetector(
            f"size_seconds={size:g} must be a multiple of hop_seconds={hop:g}"
        )


def number(settings: Json, name: str) -> float:
    """Read one number of complete settings."""
    return float(settings[name])


def readings(seconds: float, rate_hz: float, at_least: int = 0) -> int:
    """Convert a duration to a count of readings, the nearest one.

    Examples
    --------
    >>> readings(0.5, 50.0), readings(0.5, 0.1, at_least=1)
    (25, 1)
    """
    return max(at_least, math.floor(seconds * rate_hz + 0.5))
