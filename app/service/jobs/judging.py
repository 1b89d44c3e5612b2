"""Settings that somebody chose become a version, judged on what was held out.

They run beside the present detector over the same recorded streams with labelled
events, as live.  Where there is enough, only stretches count that the explorer of
thresholds did not show (`app.service.jobs.explore`).
"""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine

from app.detection import complete
from app.domain import DetectorVersion
from app.learning.compare import Comparison, Counts, compare_detections
from app.learning.heldout import counted
from app.service.jobs.fitting import judged
from app.service.jobs.gate import gated, labels_after
from app.service.jobs.keep import keep
from app.service.jobs.labelled import labelled_streams
from app.service.jobs.progress import Progress
from app.service.jobs.rerun import detected
from app.store import profiles
from app.store.artefacts import Artefacts
from app.store.detectors import NewDetector
from app.store.jobs import Job


async def judge(
    engine: AsyncEngine, artefacts: Artefacts, job: Job, progress: Progress
) -> None:
    """Do a judging job; its result is the version with its verdict.

    Raises
    ------
    Cancelled
        If the job was asked to stop.
    """
    device = job.request["device"]
    async with engine.connect() as conn:
        profile = await profiles.get(conn, str(job.profile))
        present = await profiles.detector(conn, profile.name, device)
        wanted = await profiles.with_model(conn, profile.name, job.request["detector"])
    settings = complete(wanted)
    versions = [present, DetectorVersion(0, profile.name, settings)]
    progress("reading labels", 0.0)
    told = await labelled_streams(engine, profile, device)
    theirs: list[Counts] = []
    ours: list[Counts] = []
    for k, (stream, true) in enumerate(told.streams):
        stage = f"detecting in {stream.device}/{stream.boot}"
        progress(stage, 0.7 * k / len(told.streams))
        mask = told.judged(stream)
        found = await detected(engine, profile, versions, stream)
        for counts, spans in zip((theirs, ours), found, strict=True):
            own = stream.relative(spans)
            counts += counted(true, own, len(stream), told.step, mask)
    comparison = compare_detections(theirs, ours)
    verdict, reason = _verdict(comparison, held_out=told.splits)
    named = await labels_after(
        engine,
        artefacts,
        profile,
        present,
        versions[1],
        progress.part(0.7, 0.95),
        device=device,
        mask=told.judged,
    )
    verdict, reason = gated(verdict, reason, named)
    progress("committing", 0.98)
    report = {
        "events": sum(one.true for one in ours),
        "recordings": len(told.streams),
        "held_out_by": "stretch" if told.splits else "nothing",
        "comparison": comparison.to_json(),
        "end_to_end": None if named is None else named.to_json(),
    }
    new = NewDetector(
        profile.name,
        settings,
        "set",
        present.number,
        verdict,
        reason,
        report,
        device,
    )
    await keep(engine, job, new)


def _verdict(comparison: Comparison, *, held_out: bool) -> tuple[str, str]:
    """Judge; what may have been chosen on the same readings proves nothing good."""
    verdict, reason = judged(comparison)
    if held_out or verdict in ("reject", "not_enough_evidence"):
        return verdict, reason
    few = "too few recordings to hold some out"
    return "not_enough_evidence", f"{few}; {reason}"
