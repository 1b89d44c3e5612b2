"""Replay: what other versions would have made of what was recorded and labelled.

    detectors   every recorded stream through `detection.Stream`, the same
                code as live, beside the other side's events; labelled events are true
    models      every labelled window that neither side learnt, through `classify`
    both        recorded streams through detector and model together, readings to labels

The other side is another version, or, where none is named, what was served at the time.
Same versions give what was served: the same events, reading by reading.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.detection import check, complete
from app.domain import DetectorVersion, Json, Profile
from app.errors import Conflict, InvalidInput, NotFound
from app.learning.compare import BETTER, NO_EVIDENCE, WORSE, Comparison
from app.service.champion import load
from app.service.jobs.endtoend import name_again
from app.service.jobs.progress import Progress
from app.service.jobs.rerun import Loaded, answer_again, detect_again
from app.store import audit, jobs, models, profiles, queue
from app.store.artefacts import Artefacts
from app.store.jobs import Job
from app.store.models import ModelVersion

KIND = "replay"


@dataclass(frozen=True, slots=True)
class Side:
    """What one side of a replay is; all None stands for what was served.

    Parameters
    ----------
    detector_version : int or None
    detector : JSON object or None
        Settings that are no version yet.
    model_version : int or None
    """

    detector_version: int | None = None
    detector: Json | None = None
    model_version: int | None = None

    def __post_init__(self) -> None:
        if self.detector_version is not None and self.detector is not None:
            raise InvalidInput("name a detector_version or detector settings, not both")

    @property
    def detects(self) -> bool:
        """Whether it names a detector."""
        return self.detector_version is not None or self.detector is not None

    def to_json(self) -> dict[str, object]:
        """Return plain JSON."""
        return {
            "detector_version": self.detector_version,
            "detector": None if self.detector is None else dict(self.detector),
            "model_version": self.model_version,
        }


async def enqueue(
    engine: AsyncEngine, profile: str, side: Side, against: Side, by: str
) -> Job:
    """Ask for a replay; checked before a worker spends time on it.

    Raises
    ------
    NotFound
        If the profile or one of the versions does not exist, or is another profile's.
    InvalidInput
        If there is nothing to compare.
    InvalidDetector
        If settings break a rule.
    Conflict
        If another replay of the profile is under way.
    """
    if not (side.detects or side.model_version is not None):
        raise InvalidInput(
            "name a detector_version, detector settings or model_version"
        )
    if against.detects and not side.detects:
        raise InvalidInput("against names a detector, but there is none to compare")
    if against.model_version is not None and side.model_version is None:
        raise InvalidInput("against names a model, but there is none to compare")
    request = {"side": side.to_json(), "against": against.to_json(), "by": by}
    async with engine.begin() as conn:
        asked = await profiles.get(conn, profile)
        for one in (side, against):
            await _detector(conn, asked, one)
            if one.model_version is not None:
                _require_profile(await models.get(conn, one.model_version), asked)
        job, created = await jobs.create(conn, KIND, profile, request)
        if created:
            await queue.defer(conn, job.id, profile)
            await audit.record(conn, by, KIND, f"profile:{profile}", after=request)
        elif job.request != request:
            raise Conflict(f"another replay of {profile!r} is under way: job {job.id}")
    return job


async def replay(
    engine: AsyncEngine, artefacts: Artefacts, job: Job, progress: Progress
) -> None:
    """Do a replay job; its result is what the versions would have said.

    Raises
    ------
    Cancelled
        If the job was asked to stop.
    """
    begun = time.monotonic()
    async with engine.connect() as conn:
        profile = await profiles.get(conn, str(job.profile))
    side = await _load(engine, artefacts, profile, Side(**job.request["side"]))
    other = await _load(engine, artefacts, profile, Side(**job.request["against"]))
    result: dict[str, object] = {}
    compared: list[Comparison] = []
    if side.detector is not None:
        detection, comparison = await detect_again(
            engine, profile, side, other, progress
        )
        result["detection"] = detection
        compared += [comparison]
    if side.model is not None:
        said, comparison = await answer_again(engine, profile, side, other, progress)
        result["classification"] = said
        compared += [comparison]
    if side.detector is not None and side.model is not None and _whole(other):
        both = await name_again(engine, profile, side, other, progress.part(0.7, 1.0))
        result["end_to_end"] = {"comparison": both.to_json()}
        result["cause"] = cause_of(both, *compared)
        compared += [both]
    result["verdict"], result["reason"] = together(compared)
    result["took_seconds"] = round(time.monotonic() - begun, 3)
    async with engine.begin() as conn:
        await jobs.finish(conn, job.id, result)


def together(compared: Sequence[Comparison]) -> tuple[str, str]:
    """Give one verdict: what makes anything worse is worse."""
    verdicts = [one.verdict for one in compared]
    verdict = NO_EVIDENCE
    if WORSE in verdicts:
        verdict = WORSE
    elif BETTER in verdicts:
        verdict = BETTER
    return verdict, "; ".join(f"{one.measure}: {one.reason}" for one in compared)


def _whole(side: Loaded) -> bool:
    """Whether a side is a detector and a model, or what was served."""
    return (side.detector is None) == (side.model is None)


def cause_of(
    both: Comparison, detection: Comparison, answers: Comparison
) -> str | None:
    """Say what makes labels worse: detector, model or both; None if nothing does."""
    verdicts = (detection.verdict, answers.verdict)
    if WORSE not in (both.verdict, *verdicts):
        return None
    named = {
        (True, False): "detector",
        (False, True): "model",
        (True, True): "detector and model",
    }
    return named.get(
        (verdicts[0] == WORSE, verdicts[1] == WORSE), "detector and model together"
    )


async def _load(
    engine: AsyncEngine, artefacts: Artefacts, profile: Profile, side: Side
) -> Loaded:
    async with engine.connect() as conn:
        detector = await _detector(conn, profile, side)
        if side.model_version is None:
            return Loaded(detector, None)
        row = await models.get(conn, side.model_version)
    _require_profile(row, profile)
    used = [*row.manifest.get("train", ()), *row.manifest.get("holdout", ())]
    model = await asyncio.to_thread(load, artefacts, row)
    return Loaded(detector, model, frozenset(UUID(event) for event, _ in used))


async def _detector(
    conn: AsyncConnection, profile: Profile, side: Side
) -> DetectorVersion | None:
    if side.detector is not None:
        settings = complete(side.detector)
        check(settings, profile)
        return DetectorVersion(0, profile.name, settings)
    if side.detector_version is None:
        return None
    version = await profiles.detector_version(conn, side.detector_version)
    _require_profile(version, profile)
    return version


def _require_profile(version: DetectorVersion | ModelVersion, asked: Profile) -> None:
    if version.profile != asked.name:
        raise NotFound(
            f"that version is of profile {version.profile!r}, not {asked.name!r}"
        )
