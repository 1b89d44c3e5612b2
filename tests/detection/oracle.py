"""What must come of a stream with faults, told a second time, reading by reading.

    python -m tests.detection.oracle [STREAMS]

Random streams with missing values, broken and dead channels, jumps of the clock (an
hour, a day, to 2038, backwards), announced gaps and resends go as JSON through the
session and the stream, cut at random; what comes out, and what was counted, must be
what was planted and what the oracle says.
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from app.detection import Stream, build, complete
from app.domain import Channel, DetectorVersion, Event, Profile
from app.wire.actions import Accept, Limits, Open, Skip
from app.wire.quick import JSON
from app.wire.session import Session

RATE_HZ = 50.0
HOLD, GIVE_UP = 5, 1500
MAX_GAP_SECONDS = 2.0
SETTINGS = complete(
    {
        "kind": "energy",
        "baseline_seconds": 2.0,
        "smooth_seconds": 0.2,
        "min_seconds": 0.2,
        "merge_seconds": 0.2,
        "pre_seconds": 0.0,
        "post_seconds": 0.0,
    }
)
JUMPS = (3600.0, 86400.0, 4.0e8, -0.5, -86400.0, 3.0)


@dataclass
class Planted:
    """A stream, and what is wrong with it."""

    values: np.ndarray
    times: np.ndarray
    skips: dict[int, int]
    """From which number on how many readings never come."""
    counts: Counter[str] = field(default_factory=Counter)


def plant(seed: int) -> Planted:
    """Make a stream of rest and bursts with faults in it."""
    rng = np.random.default_rng(seed)
    n, channels = int(rng.integers(150, 500)), int(rng.integers(1, 4))
    values = rng.normal(0, 0.1, (n, channels)).astype(np.float32)
    for _ in range(int(rng.integers(0, 4))):
        at = int(rng.integers(60, n))
        burst = values[at : at + int(rng.integers(15, 60))]
        burst += rng.normal(0, 3, burst.shape).astype(np.float32)
    times = 1.7e9 + np.arange(n) / RATE_HZ
    made = Planted(values, times, {})
    for _ in range(int(rng.integers(0, 5))):  # missing values, short and long
        c, at, length = rng.integers(channels), rng.integers(n), rng.integers(1, 12)
        values[at : at + length, c] = np.nan
    if rng.random() < 0.2:  # a channel that is not there until it wakes
        values[: int(rng.integers(n)), rng.integers(channels)] = np.nan
    if rng.random() < 0.1:  # all of them are away
        at = int(rng.integers(n))
        values[at : at + int(rng.integers(1, 40))] = np.nan
    for _ in range(int(rng.integers(0, 3))):
        at, jump = int(rng.integers(1, n)), JUMPS[rng.integers(len(JUMPS))]
        times[at:] += jump
        made.counts["time jumps"] += 1
    times[:] = np.clip(times, 0.0, 2.5e11)
    if rng.random() < 0.3:
        made.skips[int(rng.integers(2, n))] = int(rng.integers(1, 50))
        made.counts["skips"] += 1
    made.counts["missing"] = int(np.isnan(values).sum())
    return made


def expect(planted: Planted) -> tuple[list[tuple[int, int]], list[tuple], list[int]]:
    """Say which spans are found, which gaps there are, and what was missing."""
    n, channels = planted.values.shape
    alive, run = [False] * channels, [0] * channels
    missing, good = [0] * channels, [0.0] * channels
    fed, clock, seq, gap_from = False, math.nan, 1, 1
    spans: list[tuple[int, int]] = []
    gaps: list[tuple[int, int, str]] = []
    segment: list[list[float]] = []

    def shut() -> None:
        nonlocal fed, gap_from
        if fed:
            detector = build(SETTINGS, RATE_HZ, channels)
            fed_values = np.array(segment, float).reshape(-1, channels)
            found = detector.update(fed_values) + detector.flush()
            origin = seq - len(segment)
            spans.extend((s.onset + origin, s.offset + origin) for s in found)
            gap_from = seq
        fed = False
        segment.clear()

    def end_gap() -> None:
        nonlocal gap_from
        if seq > gap_from:
            gaps.append((gap_from, seq, "no value for longer than max_hold_seconds"))
        gap_from = seq

    def forget() -> None:
        nonlocal clock
        clock = math.nan
        run[:] = [HOLD] * channels

    for i in range(n):
        if i + 1 in planted.skips:
            shut()
            end_gap()
            to = seq + planted.skips[i + 1]
            gaps.append((seq, to, "test"))
            seq = gap_from = to
            forget()
        row, time = planted.values[i], float(planted.times[i])
        here = [math.isfinite(v) for v in row]
        while True:
            lives = any(h or a for h, a in zip(here, alive, strict=True))
            lost = any(
                a and not h and r + 1 > HOLD
                for h, a, r in zip(here, alive, run, strict=True)
            )
            if not fed:
                if not lives or lost:
                    break
                for c in range(channels):
                    alive[c] = alive[c] or here[c]
                end_gap()
                fed = True
            elif not lives or lost:
                shut()
            elif any(h and not a for h, a in zip(here, alive, strict=True)):
                for c in range(channels):
                    alive[c] = alive[c] or here[c]
                shut()
                gaps.append((seq, seq, "a channel that had no values has some"))
            elif time - clock > MAX_GAP_SECONDS:
                shut()
                forget()
                gaps.append(
                    (seq, seq, "reading times further apart than max_gap_seconds")
                )
            else:
                break
        clock = time
        for c in range(channels):
            if here[c]:
                run[c], alive[c], good[c] = 0, True, float(row[c])
            else:
                missing[c] += 1
                run[c] += 1
                if run[c] > HOLD + GIVE_UP:
                    alive[c], run[c], good[c] = False, 0, 0.0
        if fed:
            segment.append(list(good))
        seq += 1
    shut()
    end_gap()
    return spans, gaps, missing


def observe(planted: Planted, seed: int) -> tuple[list, list, list[int], int, int]:
    """Send the stream as a device does; return what came of it, and resends."""
    rng = np.random.default_rng(seed + 1_000_000)
    n, channels = planted.values.shape
    profile = Profile(
        "p",
        tuple(Channel(str(c)) for c in range(channels)),
        RATE_HZ,
        max_hold_seconds=HOLD / RATE_HZ,
        max_gap_seconds=MAX_GAP_SECONDS,
    )
    session = Session(JSON, Limits())
    stream = Stream(profile, DetectorVersion(1, "p", SETTINGS), "d", "b")
    said, sent_again = [], 0
    (opening,) = session.receive('{"type":"hello","boot":"b"}', 0.0)
    assert isinstance(opening, Open)
    session.welcome(
        boot="b",
        generation=1,
        watermark=0,
        window=4096,
        profile=profile,
        detector_version=1,
        model_version=None,
    )

    def receive(message: dict[str, object]) -> None:
        for action in session.receive(json.dumps(message), 0.0):
            if isinstance(action, Accept):
                said.extend(stream.receive(action.readings))
            elif isinstance(action, Skip):
                said.extend(stream.skip(action.to, action.why))
            else:
                raise AssertionError(f"{action} for {message}")

    def readings(seq: int, at: int, size: int) -> dict[str, object]:
        rows = planted.values[at : at + size].astype(float)
        return {
            "type": "readings",
            "seq": seq,
            "time": planted.times[at : at + size].tolist(),
            "values": [[None if math.isnan(v) else v for v in row] for row in rows],
        }

    at, seq, last = 0, 1, None
    while at < n:
        if at + 1 in planted.skips:
            seq += planted.skips[at + 1]
            receive({"type": "skip", "to": seq, "why": "test"})
            last = None  # what came before it would overlap the gap
        size = min(int(rng.integers(1, 40)), n - at)
        for skip in planted.skips:
            if at < skip - 1 < at + size:
                size = skip - 1 - at
        if last is not None and rng.random() < 0.2:
            receive(readings(*last))
            sent_again += last[2]
        last = (seq, at, size)
        receive(readings(*last))
        at, seq = at + size, seq + size
    said.extend(stream.close())
    spans = [(e.onset_seq, e.offset_seq) for e in said if isinstance(e, Event)]
    gaps = [(g.first_seq, g.next_seq, g.why) for g in stream.take_gaps()]
    missing = [int(m) for m in stream.missing]
    return spans, gaps, missing, session.resent, sent_again


def check(streams: int) -> Counter[str]:
    """Hold that many streams against the oracle; return what was planted in all."""
    total: Counter[str] = Counter()
    for seed in range(streams):
        planted = plant(seed)
        spans, gaps, missing = expect(planted)
        got_spans, got_gaps, got_missing, resent, sent_again = observe(planted, seed)
        assert got_gaps == gaps, f"stream {seed}: gaps"
        assert got_missing == missing, f"stream {seed}: missing values"
        assert sum(missing) == planted.counts["missing"], f"stream {seed}: planted"
        assert got_spans == spans, f"stream {seed}: events"
        assert resent == sent_again, f"stream {seed}: resends"
        total += planted.counts
        total.update(
            streams=1, events=len(spans), gaps=len(gaps), resent_readings=sent_again
        )
    return total


if __name__ == "__main__":
    held = check(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
    sys.stdout.write(f"{dict(held)}\n")
