"""What a training brought about becomes visible: everything in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app import __version__
from app.domain import LabelledWindow, Profile
from app.learning.challenge import Challenger, best
from app.learning.personal import Adaptation
from app.learning.promotion import HOLD, NOT_ENOUGH_EVIDENCE
from app.service.jobs.adapting import Adapted, settle
from app.service.jobs.retrain import SHADOW
from app.store import devices, jobs, models, shadows
from app.store.artefacts import Artefacts
from app.store.jobs import Job
from app.store.models import ModelVersion, NewVersion


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """Everything that a training reads, before anything is computed.

    Parameters
    ----------
    parent : ModelVersion or None
        Where an incremental challenger goes on from.
    served_digests : mapping of event to the features digest it was served with
    looks : int >= 0
        Challengers that were judged since one was last found better.
    gold : labelled windows
        Judges that nobody learns from.
    adaptations : mapping of device to how far it is with a model of its own
    """

    profile: Profile
    rows: Sequence[LabelledWindow]
    champion: ModelVersion | None
    parent: ModelVersion | None
    served_digests: Mapping[UUID, str]
    looks: int = 0
    gold: Sequence[LabelledWindow] = ()
    adaptations: Mapping[str, devices.Adaptation] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Learnt:
    """Challengers, why others are missing, and what else is to be said.

    `adapted` are devices whose own models were judged.
    """

    challengers: Sequence[Challenger]
    failed: Mapping[str, str]
    note: str = ""
    adapted: Sequence[Adaptation] = ()


@dataclass(frozen=True, slots=True)
class Files:
    """Digests of what was kept for one challenger."""

    artefact: str
    state: str | None


def keep(artefacts: Artefacts, challenger: Challenger) -> Files:
    """Write a challenger's files; a crash after it leaves files that nobody names."""
    return Files(
        artefacts.put(challenger.onnx),
        None if challenger.state is None else artefacts.put(challenger.state),
    )


async def publish_nothing(engine: AsyncEngine, job: Job, why: str) -> None:
    """Finish a job for which there are too few labels or classes."""
    result: dict[str, object] = {
        "model_version": None,
        "verdict": NOT_ENOUGH_EVIDENCE,
        "reason": why,
        "promoted": False,
        "challengers": [],
    }
    async with engine.begin() as conn:
        await jobs.finish(conn, job.id, result)


async def publish(
    engine: AsyncEngine,
    job: Job,
    material: Material,
    learnt: Learnt,
    files: Sequence[Files],
    own: Mapping[str, Files],
    *,
    moved: str = "",
) -> None:
    """Write versions, promotion and result: all of it or nothing.

    Parameters
    ----------
    files, own : what was kept of challengers, and of devices' own models by device
    moved : str
        Why nothing may be promoted although it was earned.

    Raises
    ------
    ChampionMoved
        If another version was promoted since the champion was read.
    Conflict
        If the job is no longer running: another worker finished it.
    """
    winner = best(learnt.challengers)
    shown = winner or max(learnt.challengers, key=_accuracy)
    promoted = (
        winner is not None and material.profile.retrain.promote == "auto" and not moved
    )
    said: list[dict[str, object]] = []
    result: dict[str, object] = {}
    by = f"job:{job.id}"
    champion = material.champion
    serves = None if champion is None else champion.version
    async with engine.begin() as conn:
        for challenger, kept in zip(learnt.challengers, files, strict=True):
            verdict, reason = _verdict(challenger, winner, learnt.note, moved)
            version = await models.add(
                conn, _row(material, challenger, kept, verdict, reason)
            )
            one = {"model_version": version, "verdict": verdict, "reason": reason}
            if challenger is shown:
                result = one
            said.append(
                {
                    **one,
                    "kind": challenger.kind,
                    "estimator": challenger.card.estimator,
                    "numbers": challenger.decision.numbers,
                }
            )
            if challenger is not winner:
                continue
            if promoted:
                await _promote(conn, material, version, by, reason)
                serves = version
            elif material.profile.retrain.promote == SHADOW and not moved:
                await _shadow(conn, material, version, by, reason)
        said += [
            {"model_version": None, "kind": kind, "verdict": "failed", "reason": why}
            for kind, why in learnt.failed.items()
        ]
        adapted = [
            Adapted(one.device, one, _own(material, one, own, serves))
            for one in learnt.adapted
        ]
        settled = await settle(conn, material.profile, adapted, by, moved=moved)
        told = {"promoted": promoted, "challengers": said, "devices": settled}
        await jobs.finish(conn, job.id, {**result, **told})


async def _promote(
    conn: AsyncConnection, material: Material, version: int, by: str, reason: str
) -> None:
    champion = material.champion
    expected = None if champion is None else champion.version
    await models.promote(conn, material.profile.name, version, expected, by, reason)


async def _shadow(
    conn: AsyncConnection, material: Material, version: int, by: str, reason: str
) -> None:
    former = await shadows.of_profile(conn, material.profile.name)
    if former is not None:
        await shadows.end(conn, former.version, by)
    await shadows.begin(conn, version, by, reason)


def _accuracy(challenger: Challenger) -> float:
    return challenger.decision.numbers["challenger_accuracy"]


def _verdict(
    challenger: Challenger, winner: Challenger | None, note: str, moved: str
) -> tuple[str, str]:
    """Say what becomes of a challenger, and why."""
    decision = challenger.decision
    reason = f"{decision.reason}; {note}" if note else decision.reason
    if not decision.promotes:
        return decision.verdict, reason
    if challenger is not winner and winner is not None:
        return HOLD, f"the {winner.kind} challenger is the better one; {reason}"
    if moved:
        return HOLD, f"{moved}; judged against its predecessor: {reason}"
    return decision.verdict, reason


def _own(
    material: Material,
    one: Adaptation,
    files: Mapping[str, Files],
    parent: int | None,
) -> NewVersion | None:
    """Return the row of a device's own version, if it is to have a new one."""
    if one.challenger is None:
        return None
    verdict, reason = one.decision.verdict, one.decision.reason
    row = _row(material, one.challenger, files[one.device], verdict, reason)
    return replace(row, device=one.device, parent=parent)


def _row(
    material: Material,
    challenger: Challenger,
    files: Files,
    verdict: str,
    reason: str,
) -> NewVersion:
    parent = material.champion
    if challenger.state is not None and not challenger.report["restarted"]:
        parent = material.parent
    return NewVersion(
        profile=material.profile.name,
        parent=None if parent is None else parent.version,
        kind=challenger.kind,
        estimator=challenger.card.estimator,
        feature_set=challenger.card.feature_set,
        seed=int(str(challenger.report["seed"])),
        code_version=f"{__version__}+features.{challenger.card.features_code}",
        artefact_sha256=files.artefact,
        trainer_state_sha256=files.state,
        card=challenger.card.to_json(),
        manifest={
            **challenger.manifest.to_json(),
            "answers": {k: a.to_json() for k, a in challenger.answers.items()},
        },
        report=challenger.report,
        verdict=verdict,
        reason=reason,
        trained_through=max((row.at for row in material.rows), default=None),
    )
