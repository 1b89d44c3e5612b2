"""One fit job, step by step: read, learn in a thread, keep and perhaps promote.

read      recorded streams with labelled events, as known now
learn     a `scored` detector, judged beside the present one on what was held out
keep      the version with its report, the promotion by compare-and-set, the job's
          result: one COMMIT
"""

from __future__ import annotations

import asyncio
import zlib

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.ext.asyncio import AsyncEngine

from app.detection.clean import credible
from app.detection.settings import limits_of
from app.domain import NOTHING, DetectorVersion, Float32Array, Profile, Readings
from app.errors import CannotLearn
from app.learning import boundaries
from app.learning.compare import BETTER, WORSE, Comparison
from app.learning.heldout import LEAST_STRETCHES
from app.learning.marked import Course
from app.service.jobs.gate import gated, labels_after
from app.service.jobs.keep import keep
from app.service.jobs.progress import Progress
from app.service.jobs.rerun import pieces_of, served_in
from app.store import jobs, profiles, recordings
from app.store.artefacts import Artefacts
from app.store.detectors import NewDetector
from app.store.events import EventRow
from app.store.jobs import Job

MOST_VALUES = 16_000_000
"""Values of recordings that are learnt from: 64 MB, 11 hours of 8 channels at 50 Hz."""
LEAST_READINGS = 200


async def fit(
    engine: AsyncEngine, artefacts: Artefacts, job: Job, progress: Progress
) -> None:
    """Do a fit job.

    Raises
    ------
    Cancelled
        If the job was asked to stop.
    """
    progress("reading recordings", 0.0)
    device = job.request.get("device")
    async with engine.connect() as conn:
        profile = await profiles.get(conn, str(job.profile))
        present = await profiles.detector(conn, profile.name, device)
    limits = limits_of(present.settings, profile.channel_names)
    courses = await _courses(engine, profile, device, limits)
    try:
        made = await asyncio.to_thread(
            boundaries.fit,
            courses,
            profile.rate_hz,
            present.settings,
            seed=zlib.crc32(profile.name.encode()),
            progress=progress.part(0.0, 0.85),
        )
    except CannotLearn as error:
        async with engine.begin() as conn:
            said = {"verdict": "not_enough_evidence", "reason": str(error)}
            await jobs.finish(conn, job.id, {"detector_version": None, **said})
        return
    verdict, reason = judged(made.comparison)
    version = DetectorVersion(0, profile.name, made.settings)
    named = await labels_after(
        engine,
        artefacts,
        profile,
        present,
        version,
        progress.part(0.85, 0.95),
        device=device,
    )
    verdict, reason = gated(verdict, reason, named)
    progress("committing", 0.98)
    ends = {"end_to_end": None if named is None else named.to_json()}
    new = NewDetector(
        profile.name,
        made.settings,
        "learnt",
        present.number,
        verdict,
        reason,
        {**made.report, **ends},
        device,
    )
    await keep(engine, job, new)


def judged(comparison: Comparison) -> tuple[str, str]:
    """Give the verdict on a detector that was compared with the present one."""
    if comparison.verdict == BETTER:
        return "promote", comparison.reason
    if comparison.verdict == WORSE:
        return "reject", comparison.reason
    if comparison.n < LEAST_STRETCHES:
        return "not_enough_evidence", comparison.reason
    return "hold", comparison.reason


async def _courses(
    engine: AsyncEngine, profile: Profile, only: str | None, limits: Float32Array
) -> list[Course]:
    """Read recorded streams that have labelled events, as many as fit."""
    async with engine.connect() as conn:
        streams = await recordings.of_profile(conn, profile.name)
    found: list[Course] = []
    room = MOST_VALUES
    for device, boot, first, after in streams:
        if only not in (None, device):
            continue
        said, _ = await served_in(engine, device, boot)
        if not any(_is_event(row) for row in said):
            continue
        room -= (after - first) * profile.n_channels
        if room < 0:
            break
        pieces = [one async for one in pieces_of(engine, device, boot, first, after)]
        found += [
            _course(device, boot, piece, said, limits)
            for piece in recordings.joined(pieces)
            if len(piece) >= LEAST_READINGS
        ]
    return found


def _course(
    device: str,
    boot: str,
    readings: Readings,
    said: list[EventRow],
    limits: Float32Array,
) -> Course:
    first, after = readings.first_seq, readings.next_seq
    inside = [r for r in said if r.onset_seq >= first and r.offset_seq <= after]
    return Course(
        device,
        boot,
        held(credible(readings.values, limits)),
        _spans([r for r in inside if _is_event(r)], first),
        _spans([r for r in inside if r.label is None], first),
    )


def _is_event(row: EventRow) -> bool:
    return row.label is not None and row.label.label != NOTHING


def _spans(rows: list[EventRow], first: int) -> NDArray[np.int64]:
    spans = sorted((r.onset_seq - first, r.offset_seq - first) for r in rows)
    return np.array(spans, np.int64).reshape(-1, 2)


def held(values: Float32Array) -> Float32Array:
    """Let the last good value stand in for missing ones; 0 before the first.

    Examples
    --------
    >>> held(np.array([[np.nan], [2], [np.inf], [3]], np.float32)).ravel().tolist()
    [0.0, 2.0, 2.0, 3.0]
    """
    good = np.isfinite(values)
    rows = np.where(good, np.arange(len(values))[:, None], 0)
    last = np.maximum.accumulate(rows, axis=0)
    filled = np.take_along_axis(values, last, axis=0)
    return np.where(np.isfinite(filled), filled, np.float32(0)).astype(np.float32)
