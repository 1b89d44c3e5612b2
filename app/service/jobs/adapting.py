"""Models of devices' own in a retrain job: which are judged, what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import LabelledWindow, Profile
from app.errors import ArtefactError, CannotLearn
from app.learning import FULL, kinds
from app.learning.challenge import Challenger, Champion, best
from app.learning.model import Model
from app.learning.personal import RETIRE, Adaptation, Base, Standing, adapt
from app.learning.train import Progress
from app.store import devices, models
from app.store.models import NewVersion

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, eq=False)
class Adapted:
    """A device that was looked at, and its new version, if it is to have one."""

    device: str
    said: Adaptation
    version: NewVersion | None


def look(
    profile: Profile,
    rows: Sequence[LabelledWindow],
    champion: Champion | None,
    challengers: Sequence[Challenger],
    so_far: Mapping[str, devices.Adaptation],
    *,
    seed: int,
    progress: Progress,
) -> list[Adaptation]:
    """Judge models of devices' own against what will serve after this training.

    Only full trainings do, since they alone look at all labels.  Devices with a version
    that somebody chose are left alone.
    """
    if not profile.retrain.personal or FULL not in kinds(profile):
        return []
    winner = best(challengers) if profile.retrain.promote == "auto" else None
    if winner is not None:
        base = Base(Model.load(winner.onnx, winner.card), winner.manifest)
    elif champion is not None:
        base = Base(champion.model, champion.manifest)
    else:
        return []
    chosen = {device for device, one in so_far.items() if one.by_hand}
    standing = {
        device: Standing(
            one.version is not None,
            int(one.said.get("looks", 0)),
            int(one.said.get("rows", 0)),
        )
        for device, one in so_far.items()
    }
    mine = [row for row in rows if row.device in so_far]
    kept = {d: s for d, s in standing.items() if d not in chosen}
    try:
        return adapt(
            profile,
            mine,
            base,
            kept,
            left_alone=chosen,
            seed=seed,
            progress=progress,
        )
    except (CannotLearn, ArtefactError) as error:
        log.warning("devices_not_judged", profile=profile.name, error=str(error))
        return []


async def settle(
    conn: AsyncConnection,
    profile: Profile,
    adapted: Sequence[Adapted],
    by: str,
    *,
    moved: str,
) -> list[dict[str, object]]:
    """Write versions of devices' own, and let them serve, or no longer; say what.

    Parameters
    ----------
    moved : str
        Why nothing may be promoted although it was earned.

    Raises
    ------
    ChampionMoved
        If somebody chose another version for a device meanwhile.
    """
    serves = profile.retrain.promote == "auto" and not moved
    present = await devices.adaptations(conn, profile.name)
    told: list[dict[str, object]] = []
    for one in adapted:
        if one.device not in present:  # erased meanwhile
            continue
        version = None
        decision, now = one.said.decision, present[one.device].version
        if one.version is not None:
            version = await models.add(conn, one.version)
        if version is not None and serves:
            await models.promote(
                conn, profile.name, version, now, by, decision.reason, one.device
            )
        elif decision.verdict == RETIRE and now is not None and not moved:
            await models.release(conn, profile.name, one.device, by, decision.reason)
        said = one.said.to_json() | {"model_version": version}
        await devices.adapted(conn, one.device, said)
        told.append({"device": one.device, **said})
    return told
