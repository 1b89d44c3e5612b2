"""A folder of recordings through two detectors, on this machine, and two models.

The same `Stream` as live reads each recording; events.csv says what is true.  Models
are asked where they are: a service classifies the windows of the events found.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from app.cli.rest import Refused
from app.detection import Stream, build, complete
from app.domain import Channel, DetectorVersion, Event, Json, Profile, Readings
from app.learning.compare import Counts, compare_detections, stretches
from app.learning.endtoend import Answered, TrueEvent, compare_named, named_stretches
from app.learning.heldout import STRETCH_SECONDS
from app.simulate.recording import Recording

AT_ONCE = 50_000
"""Readings in one step; each recording is in memory anyway."""

Span = tuple[int, int]
Name = Callable[[Sequence[Event]], list[str | None]]
"""What a model calls events, None: unknown."""


@dataclass(frozen=True, slots=True)
class Side:
    """A detector, and the model that names what it finds, if models are compared."""

    settings: Json
    name: Name | None = None


@dataclass(frozen=True, slots=True)
class _Told:
    """What came of one recording: what both sides say, and what is true."""

    recording: Recording
    former: list[Answered]
    latter: list[Answered]
    true: list[TrueEvent]


def replay_folder(
    recordings: Sequence[Recording],
    former: Side,
    latter: Side,
    tell: Callable[[float, str], None],
) -> dict[str, Any]:
    """Run recordings through two detectors, several at a time, and compare them.

    Parameters
    ----------
    former, latter : Side
        Both with a model, or none.
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
    sides = [replace(s, settings=complete(s.settings)) for s in (former, latter)]
    for one in recordings:
        for side in sides:
            build(side.settings, one.rate_hz, len(one.channels))
    begun = time.monotonic()
    told: list[_Told] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        asked = [pool.submit(_play, one, sides) for one in recordings]
        for done in as_completed(asked):
            told.append(done.result())
            tell(len(told) / len(recordings), f"replayed {told[-1].recording.name}")
    took = time.monotonic() - begun
    told.sort(key=lambda one: (one.recording.device, one.recording.part))
    return _compared(told, took, named=latter.name is not None)


def _play(recording: Recording, sides: Sequence[Side]) -> _Told:
    rate = recording.rate_hz
    channels = tuple(Channel(name) for name in recording.channels)
    profile = Profile("folder", channels, rate)
    found = [_answers(recording, profile, side) for side in sides]
    ends = np.array([(one.start, one.end) for one in recording.truth]).reshape(-1, 2)
    spans = [(int(a), int(b)) for a, b in np.searchsorted(recording.t, ends)]
    true = [
        TrueEvent(span, one.label, fresh=True)
        for span, one in zip(spans, recording.truth, strict=True)
    ]
    return _Told(recording, found[0], found[1], true)


def played(recording: Recording, stream: Stream) -> list[Event]:
    """Play a recording through a new stream, to its end; return the events."""
    said: list[Any] = []
    for at in range(0, len(recording.t), AT_ONCE):
        rows = slice(at, at + AT_ONCE)
        piece = Readings(at + 1, recording.values[rows], recording.t[rows])
        said += stream.receive(piece)
    said += stream.close()
    return [one for one in said if isinstance(one, Event)]


def _answers(recording: Recording, profile: Profile, side: Side) -> list[Answered]:
    version = DetectorVersion(0, profile.name, side.settings)
    stream = Stream(profile, version, recording.device, recording.part)
    events = played(recording, stream)
    labels = [None] * len(events) if side.name is None else side.name(events)
    return [
        Answered((one.onset_seq - 1, one.offset_seq - 1), label)
        for one, label in zip(events, labels, strict=True)
    ]


def _compared(told: Sequence[_Told], took: float, *, named: bool) -> dict[str, Any]:
    former: list[Counts] = []
    latter: list[Counts] = []
    whole: tuple[list[Counts], list[Counts]] = [], []
    same = only_side = only_against = readings = 0
    seconds = 0.0
    for one in told:
        n, rate = len(one.recording.t), one.recording.rate_hz
        step = STRETCH_SECONDS * rate
        true = [event.span for event in one.true]
        before = [answer.span for answer in one.former]
        after = [answer.span for answer in one.latter]
        former += stretches(true, before, n, step)
        latter += stretches(true, after, n, step)
        whole[0].extend(named_stretches(one.true, one.former, n, step))
        whole[1].extend(named_stretches(one.true, one.latter, n, step))
        same += len(set(before) & set(after))
        only_side += len(set(after) - set(before))
        only_against += len(set(before) - set(after))
        readings += n
        seconds += n / rate
    comparison = compare_detections(former, latter)
    n_true = sum(len(one.true) for one in told)
    both = compare_named(*whole) if named else None
    judged = comparison if both is None else both
    verdict, reason = judged.verdict, judged.reason
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
        **({} if both is None else {"end_to_end": {"comparison": both.to_json()}}),
        "verdict": verdict,
        "reason": f"{judged.measure}: {reason}",
        "took_seconds": round(took, 3),
    }
