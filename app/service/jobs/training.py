"""One retrain job, step by step: read, learn in a thread, write in one transaction.

    read      labels as known now, champion, parent state, digests of what was served
    check     today's features equal those that were served, bit for bit (E-07)
    learn     challengers of each kind, exported, judged against the champion; then
              models of single devices' own, against what will serve
    keep      artefact files, by digest (a crash leaves at most an orphaned file)
    publish   version rows, promotion by compare-and-set, the job's result: one COMMIT

A worker that dies anywhere before the commit has changed nothing, and one that was
taken for dead cannot commit: the job is no longer running, or the champion has moved.
"""

from __future__ import annotations

import asyncio
import zlib
from dataclasses import replace

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app import features
from app.errors import ArtefactError, CannotLearn, ChampionMoved, NotFound
from app.learning import INCREMENTAL, kinds
from app.learning.challenge import Challenger, Champion, challenge
from app.learning.curve import worth
from app.learning.dataset import Manifest
from app.learning.promotion import REJECT
from app.service.champion import load
from app.service.jobs.adapting import look
from app.service.jobs.progress import Progress
from app.service.jobs.publish import Learnt, Material, keep, publish, publish_nothing
from app.service.jobs.retrain import asked_for, require_retrain
from app.service.jobs.skew import SKEW_SAMPLE, require_no_skew
from app.store import devices, events, gold, labels, models, profiles
from app.store.artefacts import Artefacts
from app.store.jobs import Job
from app.store.models import ModelVersion

log = structlog.get_logger()

ONLINE_ROWS = 2000
"""The newest labelled windows, all that an online update looks at: its cost does not
grow with the history."""


async def retrain(
    engine: AsyncEngine, artefacts: Artefacts, job: Job, progress: Progress
) -> None:
    """Do a retrain job; its result is committed with what it brought about.

    Raises
    ------
    Cancelled
        If the job was asked to stop.
    OnsetError
        If nothing could be trained, with the reason.
    """
    progress("reading labels", 0.0)
    async with engine.connect() as conn:
        material = await read(conn, job)
    try:
        learnt = await asyncio.to_thread(learn, artefacts, material, progress)
    except CannotLearn as error:
        await publish_nothing(engine, job, str(error))
        return
    progress("writing artefacts", 0.96)
    files = [
        await asyncio.to_thread(keep, artefacts, challenger)
        for challenger in learnt.challengers
    ]
    own = {
        one.device: await asyncio.to_thread(keep, artefacts, one.challenger)
        for one in learnt.adapted
        if one.challenger is not None
    }
    progress("committing", 0.98)
    try:
        await publish(engine, job, material, learnt, files, own)
    except ChampionMoved as error:
        # Somebody promoted meanwhile: keep the work, leave their choice alone.
        await publish(engine, job, material, learnt, files, own, moved=str(error))


async def read(conn: AsyncConnection, job: Job) -> Material:
    """Read what the job needs, in one snapshot."""
    await conn.execution_options(isolation_level="REPEATABLE READ")
    if job.profile is None:
        raise NotFound(f"job {job.id} names no profile")
    profile = asked_for(await profiles.get(conn, job.profile), job)
    require_retrain(profile, profile.retrain.mode, profile.retrain.promote)
    newest = ONLINE_ROWS if profile.is_online else None
    rows = await labels.rows(conn, profile.name, newest=newest)
    sample = sorted(rows, key=lambda r: r.at)[-SKEW_SAMPLE:]
    parent = await models.newest_state(conn, profile.name)
    if parent is not None and parent.verdict == REJECT:
        parent = None  # what made it worse is not to be learnt upon
    champion = await models.champion(conn, profile.name)
    return Material(
        profile=profile,
        rows=rows,
        champion=champion,
        parent=parent,
        served_digests=await events.features_digests(
            conn, [r.event for r in sample], _feature_set(champion)
        ),
        gold=await gold.rows(conn, profile.name),
        looks=await models.looks(conn, profile.name),
        adaptations=await devices.adaptations(conn, profile.name),
    )


def learn(artefacts: Artefacts, material: Material, progress: Progress) -> Learnt:
    """Train and judge every kind of challenger (minutes of CPU; for a thread).

    The seed is the profile's, not the job's: the same manifest gives the same model.
    """
    profile = material.profile
    wanted = kinds(profile)
    progress("checking that served features can be computed again", 0.02)
    reads = _feature_set(material.champion)
    require_no_skew(material.rows, material.served_digests, profile, reads)
    champion, note = _champion(artefacts, material.champion)
    state = _parent_state(artefacts, material.parent)
    done: list[Challenger] = []
    failed: dict[str, str] = {}
    cannot: CannotLearn | None = None
    share = 0.75 / len(wanted)
    for i, kind in enumerate(wanted):
        begin = 0.05 + i * share
        try:
            done.append(
                challenge(
                    profile,
                    material.rows,
                    kind=kind,
                    seed=seed_of(profile.name),
                    progress=progress.part(begin, begin + share, f"{kind}: "),
                    champion=champion,
                    parent_state=state if kind == INCREMENTAL else None,
                    looks=material.looks + i + 1,
                    gold=material.gold,
                )
            )
        except CannotLearn as error:
            cannot = error
        except ArtefactError as error:
            log.error(
                "challenger_failed", profile=profile.name, kind=kind, error=str(error)
            )
            failed[kind] = str(error)
    if not done:
        if cannot is not None and not failed:
            raise cannot
        raise ArtefactError("; ".join(f"{k}: {why}" for k, why in failed.items()))
    adapted = look(
        profile,
        material.rows,
        champion,
        done,
        material.adaptations,
        seed=seed_of(profile.name),
        progress=progress.part(0.8, 0.95),
    )
    progress("what more labels are worth", 0.955)
    told = [_with_curve(one, material) for one in done]
    return Learnt(told, failed, note, adapted)


def _with_curve(challenger: Challenger, material: Material) -> Challenger:
    """Add to the report of a full training what the next labels will bring."""
    if challenger.kind == INCREMENTAL:
        return challenger
    profile, estimator = material.profile, challenger.card.estimator
    curve = worth(profile, material.rows, estimator, seed_of(profile.name))
    told = None if curve is None else curve.to_json()
    return replace(challenger, report={**challenger.report, "curve": told})


def seed_of(profile: str) -> int:
    """Return the seed of every training of a profile.

    Examples
    --------
    >>> seed_of("arm-band")
    3862181000
    """
    return zlib.crc32(profile.encode())


def _champion(
    artefacts: Artefacts, row: ModelVersion | None
) -> tuple[Champion | None, str]:
    if row is None:
        return None, ""
    reads = _feature_set(row)
    if reads in features.FEATURE_SETS and row.card[
        "features_code"
    ] != features.fingerprint(reads):
        raise ArtefactError(
            f"feature set {reads!r} is not what champion {row.version} "
            "was trained with: its code changed without a new version"
        )
    try:
        model = load(artefacts, row)
    except ArtefactError as error:
        log.error("champion_not_comparable", version=row.version, error=str(error))
        return None, f"champion {row.version} cannot be asked: {error}"
    return Champion(model, _manifest(row)), ""


def _feature_set(champion: ModelVersion | None) -> str:
    """Return what the champion reads of a window; plain features without one."""
    return features.PLAIN if champion is None else champion.feature_set


def _manifest(row: ModelVersion) -> Manifest:
    """Return what the champion learnt; of one trained elsewhere nothing is known."""
    if "train" not in row.manifest:
        return Manifest(row.profile, row.feature_set, "", (), ())
    return Manifest.from_json(row.manifest)


def _parent_state(artefacts: Artefacts, row: ModelVersion | None) -> bytes | None:
    digest = None if row is None else row.trainer_state_sha256
    if digest is None:
        return None
    try:
        return artefacts.get(digest)
    except ArtefactError as error:
        # Without its parent the incremental challenger begins anew and says so.
        log.error("parent_state_lost", sha256=digest, error=str(error))
        return None
