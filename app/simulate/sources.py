"""Where a run gets its readings: a folder, a pack of signals, or the demo set."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from app.simulate import basicmotions
from app.simulate.faults import Fault, random_faults
from app.simulate.plan import labelled_parts, profile_of, stages
from app.simulate.recording import Recording, safe_name
from app.simulate.recordings import read_folder
from app.simulate.signals import Pack, generate

DEMO_PROFILE = "smart-watch"
DEMO_EVENTS = 300
"""In one part: about an hour on the watch's clock."""


@dataclass(frozen=True, slots=True)
class Source:
    """What is to be played.

    Parameters
    ----------
    profile, body : str, mapping
        Name and declaration of the profile.
    stages : tuple of mapping of device to its recordings
        Nobody begins a stage before everybody has ended the one before.
    labels : function of a recording
        Whether a person labels what is found in it.
    endless : bool
        Whether the recordings never end.
    """

    profile: str
    body: Mapping[str, Any]
    stages: Sequence[Mapping[str, Iterable[Recording]]]
    labels: Callable[[Recording], bool]
    endless: bool = False


def folder(
    path: Path,
    *,
    profile: str | None = None,
    channels: Sequence[str] = (),
    named_parts: Sequence[str] = (),
    devices: int | None = None,
) -> Source:
    """Play a folder of recordings (see `docs/recordings.md`)."""
    recordings = read_folder(path, channels)
    names = list(dict.fromkeys(r.device for r in recordings))[:devices]
    played = [r for r in recordings if r.device in names]
    name = profile or safe_name(path.resolve().name)
    return finite(name, profile_of(name, played), played, named_parts)


def finite(
    profile: str,
    body: Mapping[str, Any],
    recordings: Sequence[Recording],
    named_parts: Sequence[str] = (),
) -> Source:
    """Play recordings that are at hand."""
    labelled = labelled_parts(recordings, named_parts)
    return Source(
        profile, body, stages(recordings, labelled), lambda r: r.name in labelled
    )


def synthetic(
    pack: Pack,
    *,
    seed: int,
    profile: str | None = None,
    devices: int = 4,
    rate_hz: float | None = None,
    seconds: float = 600.0,
    parts: int = 0,
    drift: float = 0.0,
    named_parts: Sequence[str] = (),
) -> Source:
    """Play signals of a pack; `parts` 0: for ever.

    The classes turn from 0 to `drift` over all parts, or over the first one if there
    is no end to them, and then stay.
    """
    kind = replace(pack.profile, rate_hz=rate_hz) if rate_hz else pack.profile
    pack = replace(pack, profile=kind)
    body = {
        "channels": [{"name": c.name, "unit": c.unit} for c in kind.channels],
        "rate_hz": kind.rate_hz,
        "classes": list(kind.classes),
    }

    def play(number: int) -> Iterator[Recording]:
        for part in itertools.count(1):
            turned = tuple(drift * min(p / max(parts, 1), 1) for p in (part - 1, part))
            rng = np.random.default_rng((seed, number, part))
            device = f"{kind.name}-{number}"
            yield generate(
                pack, device, str(part), seconds, rng, (turned[0], turned[1])
            )

    name = profile or kind.name
    if parts:
        made = [r for n in range(devices) for r in itertools.islice(play(n + 1), parts)]
        return finite(name, body, made, named_parts)
    lines = {f"{kind.name}-{n + 1}": play(n + 1) for n in range(devices)}
    return Source(name, body, [lines], lambda r: True, endless=True)


def demo(*, seed: int, profile: str | None = None, devices: int = 4) -> Source:
    """Play the smart watch's set, for ever in another order.

    Raises
    ------
    Unavailable
        If the set is not installed.
    """
    cases = basicmotions.cases()

    def play(number: int) -> Iterator[Recording]:
        for part in itertools.count(1):
            rng = np.random.default_rng((seed, number, part))
            device = f"watch-{number}"
            yield basicmotions.join(cases, device, str(part), DEMO_EVENTS, rng)

    body = {
        "channels": [
            {"name": c, "unit": "m/s^2" if c.startswith("acc") else "rad/s"}
            for c in basicmotions.CHANNELS
        ],
        "rate_hz": basicmotions.RATE_HZ,
        "classes": sorted({label for _, label in cases} - {basicmotions.REST}),
    }
    lines = {f"watch-{n + 1}": play(n + 1) for n in range(devices)}
    name = profile or DEMO_PROFILE
    return Source(name, body, [lines], lambda r: True, endless=True)


def faulty(per_minute: float, seed: int) -> Callable[[Recording], Sequence[Fault]]:
    """Plant random faults, the same ones in the same recording."""

    def plant(recording: Recording) -> Sequence[Fault]:
        rng = np.random.default_rng((seed, zlib.crc32(recording.name.encode())))
        n_channels = len(recording.channels)
        return random_faults(recording.seconds, n_channels, per_minute, rng)

    return plant
