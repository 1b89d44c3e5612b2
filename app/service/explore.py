"""What a threshold is worth: precision, recall and false alarms over its values.

Recorded streams with labelled events go through `detection.Stream`, the same code as
live, once for all values: each piece is read once and memory does not grow.  Labelled
events are the true ones, but those labelled `nothing`; false alarms are as complete as
the labels are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncEngine

from app.detection import Stream, build, complete
from app.domain import NOTHING, DetectorVersion, Event, Json, Readings
from app.domain.overlap import match
from app.errors import Conflict, InvalidDetector, InvalidInput
from app.service.progress import Progress
from app.service.rerun import pieces_of, served_in
from app.store import audit, jobs, profiles, queue, recordings
from app.store.jobs import Job

KIND = "explore"
MOST_VALUES = 25
FACTORS = (0.25, 0.35, 0.5, 0.71, 0.84, 1.0, 1.19, 1.41, 2.0, 2.83, 4.0)
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
LEANS = (-3.0, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
USUAL = {"energy": "on_share", "mahalanobis": "on_share", "scored": "lean"}
"""The setting that says most by kind; ``on`` for the others."""

Span = tuple[int, int]


async def enqueue(
    engine: AsyncEngine,
    profile: str,
    *,
    detector: Json | None,
    setting: str | None,
    values: Sequence[float] | None,
    by: str,
) -> Job:
    """Ask for a curve; checked before a worker spends time on it.

    Parameters
    ----------
    detector : JSON object or None
        Settings to begin from; None: those that serve.
    setting : str or None
        What to vary; None: what says most for that kind.
    values : sequence of float or None
        None: some around the present one.

    Raises
    ------
    NotFound
        If there is no such profile.
    InvalidInput, InvalidDetector
        If the setting is none of that kind, or a value breaks a rule.
    Conflict
        If another exploration of the profile is under way.
    """
    async with engine.begin() as conn:
        asked = await profiles.get(conn, profile)
        present = (await profiles.detector(conn, profile)).settings
        base = complete(present if detector is None else detector)
        varied = setting or USUAL.get(str(base["kind"]), "on")
        if varied not in base or varied in ("kind", "model"):
            raise InvalidInput(f"{varied!r} is no setting of {base['kind']!r} to vary")
        chosen = _values(base, varied) if values is None else list(values)
        for value in chosen:
            build({**base, varied: value}, asked.rate_hz, asked.n_channels)
        request = {"detector": base, "setting": varied, "values": chosen, "by": by}
        job, created = await jobs.create(conn, KIND, profile, request)
        if created:
            await queue.defer(conn, job.id, profile)
            about = {"setting": varied, "values": chosen}
            await audit.record(conn, by, KIND, f"profile:{profile}", after=about)
        elif job.request != request:
            raise Conflict(
                f"another exploration of {profile!r} is under way: job {job.id}"
            )
    return job


def _values(base: Json, setting: str) -> list[float]:
    """Choose values around the present one, those that no rule forbids."""
    present = float(base[setting])
    tried = [present * factor for factor in FACTORS]
    if setting.endswith("_share"):
        tried = [*SHARES, present]
    elif setting == "lean":
        tried = [present + lean for lean in LEANS]
    allowed = []
    for value in sorted({float(f"{one:.4g}") for one in tried}):
        try:
            complete({**base, setting: value})
        except InvalidDetector:
            continue
        allowed.append(value)
    return allowed


async def explore(engine: AsyncEngine, job: Job, progress: Progress) -> None:
    """Do an exploration job; its result is the curve.

    Raises
    ------
    Cancelled
        If the job was asked to stop.
    """
    setting, values = job.request["setting"], job.request["values"]
    base = job.request["detector"]
    async with engine.connect() as conn:
        profile = await profiles.get(conn, str(job.profile))
        streams = await recordings.of_profile(conn, profile.name)
    versions = [
        DetectorVersion(0, profile.name, complete({**base, setting: value}))
        for value in values
    ]
    counts = [[0, 0] for _ in values]
    n_true, n_readings, n_streams = 0, 0, 0
    for k, (device, boot, first, after) in enumerate(streams):
        progress(f"detecting in {device}/{boot}", k / len(streams))
        said, _ = await served_in(engine, device, boot)
        true = [
            (e.onset_seq, e.offset_seq)
            for e in said
            if e.label is not None and e.label.label != NOTHING
        ]
        if not true:
            continue
        n_true += len(true)
        n_readings += after - first
        n_streams += 1
        found: list[list[Span]] = [[] for _ in values]
        detecting = [Stream(profile, version, device, boot) for version in versions]
        async for piece in pieces_of(engine, device, boot, first, after):
            await asyncio.to_thread(_receive, detecting, piece, found)
        for count, spans in zip(counts, found, strict=True):
            count[0] += len(match(true, spans))
            count[1] += len(spans)
    hours = n_readings / profile.rate_hz / 3600
    result: Json = {
        "setting": setting,
        "present": base[setting],
        "streams": n_streams,
        "events": n_true,
        "hours": round(hours, 4),
        "curve": [
            _point(value, matched, found_, n_true, hours)
            for value, (matched, found_) in zip(values, counts, strict=True)
        ],
    }
    async with engine.begin() as conn:
        await jobs.finish(conn, job.id, result)


def _receive(
    detecting: Sequence[Stream], piece: Readings, found: list[list[Span]]
) -> None:
    for stream, spans in zip(detecting, found, strict=True):
        said = []
        if piece.first_seq > stream.next_seq:
            said += stream.skip(piece.first_seq, "not recorded")
        said += stream.receive(piece)
        stream.take_gaps()
        spans += [(e.onset_seq, e.offset_seq) for e in said if isinstance(e, Event)]


def _point(
    value: float, matched: int, found: int, true: int, hours: float
) -> dict[str, float | int | None]:
    """Describe one value; what nothing was found or true for is null."""
    precision = matched / found if found else None
    return {
        "value": value,
        "found": found,
        "matched": matched,
        "precision": None if precision is None else round(precision, 4),
        "recall": round(matched / true, 4) if true else None,
        "f1": round(2 * matched / (found + true), 4) if found + true else None,
        "false_alarms_per_hour": round((found - matched) / hours, 3) if hours else None,
    }
