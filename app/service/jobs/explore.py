"""What a threshold is worth: precision, recall and false alarms over its values.

Recorded streams with labelled events go through `detection.Stream`, the same code as
live, once for all values: each piece is read once and memory does not grow.  Labelled
events are the true ones, but those labelled `nothing`; false alarms are as complete as
the labels are.  Where there is enough, every other stretch is left out: it judges the
settings that are chosen here (`app.service.jobs.judge`).
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncEngine

from app.detection import check, complete
from app.detection.scores import is_digest, shown
from app.domain import DetectorVersion, Json
from app.errors import Conflict, InvalidDetector, InvalidInput
from app.learning.compare import Counts
from app.learning.heldout import counted, lengths
from app.service.jobs.labelled import labelled_streams
from app.service.jobs.progress import Progress
from app.service.jobs.rerun import detected
from app.store import audit, devices, jobs, profiles, queue
from app.store.jobs import Job

KIND = "explore"
MOST_VALUES = 25
FACTORS = (0.25, 0.35, 0.5, 0.71, 0.84, 1.0, 1.19, 1.41, 2.0, 2.83, 4.0)
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
LEANS = (-3.0, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
USUAL = {"energy": "on_share", "mahalanobis": "on_share", "scored": "lean"}
"""The setting that says most by kind; ``on`` for the others."""


async def enqueue(
    engine: AsyncEngine,
    profile: str,
    *,
    detector: Json | None,
    setting: str | None,
    values: Sequence[float] | None,
    by: str,
    device: str | None = None,
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
    device : str or None
        Look at the recordings of this device only, beside its detector.

    Raises
    ------
    NotFound
        If there is no such profile, or no such device of it.
    InvalidInput, InvalidDetector
        If the setting is none of that kind, or a value breaks a rule.
    Conflict
        If another exploration of the profile is under way.
    """
    async with engine.begin() as conn:
        asked = await profiles.get(conn, profile)
        if device is not None:
            await devices.require(conn, device, profile)
        present = (await profiles.detector(conn, profile, device)).settings
        wanted = await profiles.with_model(conn, profile, detector)
        base = complete(present if wanted is None else wanted)
        varied = setting or USUAL.get(str(base["kind"]), "on")
        if varied not in base or varied in ("kind", "model", "limits"):
            raise InvalidInput(f"{varied!r} is no setting of {base['kind']!r} to vary")
        chosen = _values(base, varied) if values is None else list(values)
        for value in chosen:
            check({**base, varied: value}, asked)
        request = {
            "detector": briefly(base, detector),
            "setting": varied,
            "values": chosen,
            "device": device,
            "by": by,
        }
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


def briefly(settings: Json, given: Json | None) -> Json:
    """Name a model by its digest, unless nothing but what was given has it."""
    named = given is None or is_digest(str(given.get("model", "")))
    return shown(settings) if named or "model" not in settings else settings


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
    device = job.request.get("device")
    async with engine.connect() as conn:
        profile = await profiles.get(conn, str(job.profile))
        base = await profiles.with_model(conn, profile.name, job.request["detector"])
    asked: dict[str, object] = dict(base or {})
    versions = [
        DetectorVersion(0, profile.name, complete({**asked, setting: value}))
        for value in values
    ]
    progress("reading labels", 0.0)
    told = await labelled_streams(engine, profile, device)
    counts = [Counts(0, 0, 0)] * len(values)
    hours = 0.0
    for k, (stream, true) in enumerate(told.streams):
        progress(f"detecting in {stream.device}/{stream.boot}", k / len(told.streams))
        mask = told.tuned(stream)
        hours += float(lengths(len(stream), told.step)[mask].sum())
        found = await detected(engine, profile, versions, stream)
        for i, spans in enumerate(found):
            own = stream.relative(spans)
            part = counted(true, own, len(stream), told.step, mask)
            counts[i] = _sum([counts[i], *part])
    hours /= profile.rate_hz * 3600
    result: Json = {
        "setting": setting,
        "present": asked[setting],
        "device": device,
        "streams": len(told.streams),
        "events": counts[0].true if counts else 0,
        "hours": round(hours, 4),
        "held_out": told.splits,
        "curve": [
            _point(value, one, hours) for value, one in zip(values, counts, strict=True)
        ],
    }
    async with engine.begin() as conn:
        await jobs.finish(conn, job.id, result)


def _sum(counts: Sequence[Counts]) -> Counts:
    return Counts(
        sum(one.matched for one in counts),
        sum(one.found for one in counts),
        sum(one.true for one in counts),
    )


def _point(value: float, counts: Counts, hours: float) -> dict[str, float | int | None]:
    """Describe one value; what nothing was found or true for is null."""
    matched, found, true = counts.matched, counts.found, counts.true
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
