"""Synthetic devices: rest with noise, and events of known classes.

What a kind of device looks like is data (`packs.json`); the code knows no domain.
Randomness is an argument: the same generator gives the same recording.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import msgspec
import numpy as np

from app.domain import Channel, FloatArray, Profile
from app.errors import NotFound
from app.simulate.recording import Recording, Truth

RAMP = 0.15
"""Share of an event that ``hold`` takes to rise, and to fall."""


@dataclass(frozen=True, slots=True, eq=False)
class Signature:
    """How a class of event shows: per channel, added to rest under an envelope.

    Parameters
    ----------
    level, tone, noise : float64 array (n_channels,), in the channels' units
        Constant part, amplitude of a sine of `hz`, standard deviation.
    envelope : {"hold", "swell", "decay"}
    seconds : (float, float)
        Shortest and longest event.
    """

    level: FloatArray
    tone: FloatArray
    noise: FloatArray
    hz: float
    envelope: str
    seconds: tuple[float, float]

    def turned(self, other: Signature, share: float) -> Signature:
        """Let the class look like another one, `share` 0..1 of the way.

        This is concept drift: the label stays, what it stands for moves.
        """

        def mix(mine: FloatArray, its: FloatArray) -> FloatArray:
            return (1 - share) * mine + share * its

        return Signature(
            mix(self.level, other.level),
            mix(self.tone, other.tone),
            mix(self.noise, other.noise),
            (1 - share) * self.hz + share * other.hz,
            self.envelope,
            self.seconds,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Pack:
    """A kind of device: its profile, its rest and its classes of event."""

    profile: Profile
    level: FloatArray
    noise: FloatArray
    rest_seconds: tuple[float, float]
    classes: Mapping[str, Signature]


def packs() -> dict[str, Pack]:
    """Read all packs that ship with Onset, by name."""
    text = resources.files("app.simulate").joinpath("packs.json").read_bytes()
    return {
        name: read_pack(name, data) for name, data in msgspec.json.decode(text).items()
    }


def pack(name: str) -> Pack:
    """Read one pack.

    Raises
    ------
    NotFound
        If there is none of that name.
    """
    known = packs()
    if name not in known:
        raise NotFound(f"no pack {name!r}: choose one of {', '.join(known)}")
    return known[name]


def read_pack(name: str, data: Mapping[str, Any]) -> Pack:
    """Make a pack of its JSON form (see `packs.json`)."""
    channels = tuple(Channel(c["name"], c["unit"]) for c in data["channels"])
    profile = Profile(
        name, channels, float(data["rate_hz"]), classes=tuple(data["classes"])
    )

    def row(source: Mapping[str, Any], key: str) -> FloatArray:
        zeros = [0.0] * len(channels)
        return np.array(source.get(key, zeros), dtype=np.float64)

    def span(source: Mapping[str, Any], key: str) -> tuple[float, float]:
        low, high = source[key]
        return float(low), float(high)

    return Pack(
        profile,
        row(data, "level"),
        row(data, "noise"),
        span(data, "rest_seconds"),
        {
            label: Signature(
                row(c, "level"),
                row(c, "tone"),
                row(c, "noise"),
                float(c.get("hz", 1.0)),
                c["envelope"],
                span(c, "seconds"),
            )
            for label, c in data["classes"].items()
        },
    )


def generate(
    pack: Pack,
    device: str,
    part: str,
    seconds: float,
    rng: np.random.Generator,
    drift: tuple[float, float] = (0.0, 0.0),
) -> Recording:
    """Make a recording of rest and events, with the truth about them.

    Parameters
    ----------
    seconds : float > 0
        Length; events lie wholly within it.
    drift : (float, float), 0..1
        How far each class has come to look like its successor, at the beginning
        and at the end (`Signature.turned`).

    Examples
    --------
    >>> rng = np.random.default_rng(7)
    >>> recording = generate(pack("arm-band"), "d1", "1", 20.0, rng)
    >>> recording.values.shape, [e.label for e in recording.truth]
    ((1000, 8), ['flexion', 'fist', 'flexion'])
    """
    rate = pack.profile.rate_hz
    n = max(int(seconds * rate), 1)
    t = np.arange(n) / rate
    values = pack.level + pack.noise * rng.standard_normal((n, len(pack.level)))
    truth = []
    labels = list(pack.classes)
    at = rng.uniform(*pack.rest_seconds)
    while True:
        index = int(rng.integers(len(labels)))
        label, successor = labels[index], labels[(index + 1) % len(labels)]
        signature = pack.classes[label]
        length = rng.uniform(*signature.seconds)
        first, stop = round(at * rate), round((at + length) * rate)
        if stop >= n:
            break
        share = drift[0] + (drift[1] - drift[0]) * first / n
        turned = signature.turned(pack.classes[successor], share)
        values[first:stop] += shape(turned, stop - first, rate, rng)
        truth.append(Truth(first / rate, stop / rate, label))
        at += length + rng.uniform(*pack.rest_seconds)
    channels = pack.profile.channel_names
    return Recording(
        device, part, channels, rate, t, values.astype(np.float32), tuple(truth)
    )


def shape(
    signature: Signature, n: int, rate_hz: float, rng: np.random.Generator
) -> FloatArray:
    """Draw what an event of `n` readings adds to rest: ``(n, n_channels)``."""
    t = np.arange(n)[:, None] / rate_hz
    wave = np.sin(2 * np.pi * (signature.hz * t + rng.uniform()))
    noise = rng.standard_normal((n, len(signature.noise)))
    strength = rng.uniform(0.8, 1.2)
    raw = signature.level + signature.tone * wave + signature.noise * noise
    return np.asarray(strength * envelope(signature.envelope, n)[:, None] * raw)


def envelope(name: str, n: int) -> FloatArray:
    """Rise and fall of an event over `n` readings, 0..1.

    Examples
    --------
    >>> envelope("decay", 5).round(2).tolist()
    [1.0, 0.74, 0.55, 0.41, 0.3]
    """
    x = np.linspace(0.0, 1.0, n)
    if name == "hold":
        return np.clip(np.minimum(x, 1 - x) / RAMP, 0.2, 1.0)
    if name == "swell":
        return 0.3 + 0.7 * np.sin(np.pi * x)
    if name == "decay":
        return np.asarray(np.exp(-1.2 * x))
    raise NotFound(f"no envelope {name!r}: hold, swell or decay")
