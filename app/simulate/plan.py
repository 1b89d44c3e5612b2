"""What a run plays: whose recordings, in which order, and which parts get labels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

import numpy as np

from app.errors import InvalidInput
from app.simulate.recording import Recording

BETWEEN_SECONDS = 1.0
"""Device time between two parts."""

Stage: TypeAlias = dict[str, tuple[Recording, ...]]
"""What all devices play, each its recordings in order, before anybody goes on."""


def by_device(recordings: Sequence[Recording]) -> dict[str, list[Recording]]:
    """Sort recordings by device, keeping their order."""
    devices: dict[str, list[Recording]] = {}
    for recording in recordings:
        devices.setdefault(recording.device, []).append(recording)
    return devices


def labelled_parts(
    recordings: Sequence[Recording], named: Sequence[str] = ()
) -> frozenset[str]:
    """Choose the recordings (by name) that the operator labels.

    Parameters
    ----------
    named : sequence of str
        Parts to label; empty: of devices with several parts the first one, so that
        the rest shows what was learnt; of folders without parts everything.

    Raises
    ------
    InvalidInput
        If a named part is in no recording.
    """
    unknown = set(named) - {r.part for r in recordings}
    if unknown:
        raise InvalidInput(f"no recording has a part {', '.join(sorted(unknown))}")
    if named:
        return frozenset(r.name for r in recordings if r.part in named)
    devices = by_device(recordings)
    if all(len(parts) == 1 for parts in devices.values()):
        return frozenset(r.name for r in recordings)
    return frozenset(parts[0].name for parts in devices.values())


def stages(
    recordings: Sequence[Recording], labelled: frozenset[str]
) -> tuple[Stage, ...]:
    """Cut a run in two where labels end: sessions lie days apart, not milliseconds.

    Each device first plays up to its last labelled part, then the rest.
    """
    before: Stage = {}
    after: Stage = {}
    for device, parts in by_device(recordings).items():
        cut = 1 + max(
            (i for i, part in enumerate(parts) if part.name in labelled), default=-1
        )
        before[device], after[device] = tuple(parts[:cut]), tuple(parts[cut:])
    both = [{d: parts for d, parts in s.items() if parts} for s in (before, after)]
    return tuple(stage for stage in both if stage)


def first_time(
    parts: Sequence[Recording],
    run: str,
    events: Iterable[Mapping[str, Any]],
    now: float,
) -> float:
    """Say when a device's first reading was taken, in seconds since the epoch.

    A reading keeps its time when it is sent again, so a device that has events
    goes on with the clock that it had; a new one ends about now.

    Parameters
    ----------
    parts : sequence of Recording, in the order of playing
    events : iterable of events of the REST interface
    now : float, seconds since the epoch
    """
    since, begins = 0.0, {}
    for part in parts:
        begins[boot_of(part, run)] = (part, since)
        since += part.seconds + BETWEEN_SECONDS
    for event in events:
        if event["boot"] in begins:
            part, before = begins[event["boot"]]
            onset = datetime.fromisoformat(event["onset"]).timestamp()
            within = part.seconds_at(event["onset_seq"]) - float(part.t[0])
            return onset - within - before
    return now - since


def profile_of(
    name: str, recordings: Sequence[Recording], every_labels: int | None = None
) -> dict[str, Any]:
    """Declare the profile of recordings, as the body of ``PUT /profiles/{name}``."""
    if not recordings:
        raise InvalidInput("there is no recording to play")
    channels = recordings[0].channels
    rate_hz = float(f"{np.median([r.rate_hz for r in recordings]):.4g}")
    classes = sorted({event.label for r in recordings for event in r.truth})
    body: dict[str, Any] = {
        "channels": [{"name": channel, "unit": "raw"} for channel in channels],
        "rate_hz": rate_hz,
        "classes": classes,
    }
    if every_labels is not None:
        body["retrain"] = {"every_labels": every_labels}
    return body


def boot_of(recording: Recording, run: str) -> str:
    """Name the boot of a recording: the same one when it is played again.

    A run that was broken off so goes on where it stopped, and what was played to the
    end is not played twice; another `run` makes new boots.

    Examples
    --------
    >>> r = Recording("d", "s1", ("x",), 1.0, np.zeros(1), np.zeros((1, 1), np.float32))
    >>> boot_of(r, ""), boot_of(r, "again")
    ('s1-7bd5c66f', 's1-7bd5c66f-again')
    """
    part = re.sub(r"[^!-~]", "_", recording.part or "1")[:32]
    words = [part, recording.digest, *([run] if run else [])]
    return "-".join(words)
