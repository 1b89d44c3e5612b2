"""A folder of recordings through two detectors, on this machine, without a service.

The same `Stream` as live reads each recording; events.csv says what is true.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.cli.rest import Refused
from app.detection import Stream, build, complete
from app.domain import Channel, DetectorVersion, Event, Json, Profile, Readings
from app.learning.compare import Counts, compare_detections, stretches
from app.learning.heldout import STRETCH_SECONDS
from app.simulate.recording import Recording

AT_ONCE = 50_000
"""Readings in one step; each recording is in memory anyway."""

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Told:
    """What came of one recording: spans of both sides, and the true ones."""

    recording: Recording
    former: list[Span]
    latter: list[Span]
    true: list[Span]


def replay_folder(
    recordings: Sequence[Recording],
    former: Json,
    latter: Json,
    tell: Callable[[float, str], None],
) -> dict[str, Any]:
    """Run recordings through two detectors, several at a time, and compare them.

    Parameters
    ----------
    former, latter : detector settings
    tell : called with the share that is done, and what was done last

    Returns
    -------
    dict
        As the result of a replay job has it, with ``times_real_time``.

    Raises
    ------
    Refused
        If there is no recording.
    InvalidDetector
        If settings break a rule.
    """
    if not recordings:
        raise Refused("the folder has no recording")
    sides = complete(former), complete(latter)
    for one in recordings:
        for settings in sides:
            build(settings, one.rate_hz, len(one.channels))
    begun = time.monotonic()
    told: list[_Told] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        asked = [pool.submit(_play, one, sides) for one in recordings]
        for done in as_completed(asked):
            told.append(done.result())
            tell(len(told) / len(recordings), f"replayed {told[-1].recording.name}")
    took = time.monotonic() - begun
    told.sort(key=lambda one: (one.recording.device, one.recording.part))
    return _compared(told, took)


def _play(recording: Recording, sides: Sequence[Json]) -> _Told:
    rate = recording.rate_hz
    channels = tuple(Channel(name) for name in recording.channels)
    profile = Profile("folder", channels, rate)
    found = [_spans(recording, profile, settings) for settings in sides]
    ends = np.array([(one.start, one.end) for one in recording.truth]).reshape(-1, 2)
    true = [(int(a), int(b)) for a, b in np.searchsorted(recording.t, ends)]
    return _Told(recording, found[0], found[1], true)


def _spans(recording: Recording, profile: Profile, settings: Json) -> list[Span]:
    version = DetectorVersion(0, profile.name, settings)
    stream = Stream(profile, version, recording.device, recording.part)
    said: list[Any] = []
    for at in range(0, len(recording.t), AT_ONCE):
        rows = slice(at, at + AT_ONCE)
        piece = Readings(at + 1, recording.values[rows], recording.t[rows])
        said += stream.receive(piece)
    said += stream.close()
    return [(e.onset_seq - 1, e.offset_seq - 1) for e in said if isinstance(e, Event)]


def _compared(told: Sequence[_Told], took: float) -> dict[str, Any]:
    former: list[Counts] = []
    latter: list[Counts] = []
    same = only_side = only_against = readings = 0
    seconds = 0.0
    for one in told:
        n, rate = len(one.recording.t), one.recording.rate_hz
        step = STRETCH_SECONDS * rate
        former += stretches(one.true, one.former, n, step)
        latter += stretches(one.true, one.latter, n, step)
        same += len(set(one.former) & set(one.latter))
        only_side += len(set(one.latter) - set(one.former))
        only_against += len(set(one.former) - set(one.latter))
        readings += n
        seconds += n / rate
    comparison = compare_detections(former, latter)
    n_true = sum(len(one.true) for one in told)
    verdict, reason = comparison.verdict, comparison.reason
    if not n_true:
        reason = "no evidence: the folder has no events.csv with true events"
    return {
        "detection": {
            "streams": len(told),
            "readings": readings,
            "seconds": round(seconds, 3),
            "true_events": n_true,
            "same_events": same,
            "only_side": only_side,
            "only_against": only_against,
            # both sides read everything
            "times_real_time": round(2 * seconds / max(took, 1e-9)),
            "comparison": comparison.to_json(),
        },
        "verdict": verdict,
        "reason": f"event F1: {reason}",
        "took_seconds": round(took, 3),
    }
