"""A detector may not make labels worse: the gate before its promotion.

Recorded streams go through the new and the present detector, each with the model that
serves; fewer events that are found and rightly named reject what found more.
"""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain import DetectorVersion, Profile
from app.learning.compare import WORSE, Comparison
from app.service.jobs.endtoend import Mask, champion_of, name_again
from app.service.jobs.progress import Report
from app.service.jobs.rerun import Loaded
from app.store.artefacts import Artefacts


async def labels_after(
    engine: AsyncEngine,
    artefacts: Artefacts,
    profile: Profile,
    present: DetectorVersion,
    new: DetectorVersion,
    progress: Report,
    *,
    device: str | None = None,
    mask: Mask | None = None,
) -> Comparison | None:
    """Compare two detectors by what the champion makes of their events.

    Returns
    -------
    Comparison or None
        None while no model serves.
    """
    async with engine.connect() as conn:
        champion = await champion_of(conn, artefacts, profile.name)
    if champion is None:
        return None
    return await name_again(
        engine,
        profile,
        Loaded(new, *champion),
        Loaded(present, *champion),
        progress,
        device=device,
        mask=mask,
    )


def gated(verdict: str, reason: str, named: Comparison | None) -> tuple[str, str]:
    """Give the verdict after the gate: worse labels reject whatever was found.

    Examples
    --------
    >>> gated("promote", "it finds more", None)
    ('promote', 'it finds more')
    """
    if named is None or named.verdict != WORSE:
        return verdict, reason
    return "reject", f"{named.measure}: {named.reason}; {reason}"
