"""A device whose people mean something else gets a model of its own, and loses it."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.service.champion import Champions
from app.service.jobs import training
from app.service.jobs.classify_later import LateClassifier
from app.service.jobs.progress import Progress
from app.service.jobs.retrain import enqueue
from app.store import devices, events, jobs, labels, models
from app.store.artefacts import Artefacts
from tests.service.scene import add_version, cycle, event_of, profile_of, put_profile

ODD = "arm-odd"
SWAPPED = {"rest": "rest", "fist": "wave", "wave": "fist"}


async def label(
    engine: AsyncEngine, device: str, first: int, n: int, *, swapped: bool = False
) -> None:
    shown = cycle(n)
    made = [event_of("arm", device, first + i, y) for i, y in enumerate(shown)]
    async with engine.begin() as conn:
        await devices.put(conn, device, "arm")
        await events.add(conn, made)
        for event, y in zip(made, shown, strict=True):
            said = SWAPPED[y] if swapped else y
            await labels.add(conn, event.id, said, "ann", "test")


async def train(engine: AsyncEngine, artefacts: Artefacts) -> dict[str, Any]:
    job, _ = await enqueue(engine, profile="arm", by="ann", reason="test")
    async with engine.begin() as conn:
        started = await jobs.start(conn, job.id)
    assert started is not None
    await training.retrain(engine, artefacts, started, Progress())
    async with engine.connect() as conn:
        return dict((await jobs.get(conn, job.id)).result or {})


async def own(engine: AsyncEngine, device: str = ODD) -> int | None:
    async with engine.connect() as conn:
        return (await devices.get(conn, device)).model_version


def spoil(folder: Path, digest: str) -> None:
    [path] = folder.rglob(f"{digest}*")
    path.chmod(0o600)
    path.write_bytes(b"not a graph")


async def test_a_model_of_its_own_comes_serves_and_goes(
    engine: AsyncEngine, artefacts: Artefacts
):
    await put_profile(engine, profile_of())
    await label(engine, "arm-1", 0, 90)
    await label(engine, ODD, 0, 36, swapped=True)
    result = await train(engine, artefacts)
    [odd] = [one for one in result["devices"] if one["device"] == ODD]
    assert odd["verdict"] == "promote"
    assert odd["model_version"] == await own(engine)
    assert await own(engine, "arm-1") is None
    async with engine.connect() as conn:
        row = await models.get(conn, odd["model_version"])
        kept = await devices.get(conn, ODD)
        champion = await models.champion(conn, "arm")
    assert champion is not None
    assert (row.device, row.state, row.parent) == (ODD, "device", champion.version)
    assert kept.adaptation is not None
    assert kept.adaptation["verdict"] == "promote"

    champions = Champions(engine, artefacts)
    await champions.refresh()
    assert champions.version("arm") == champion.version
    both = [champions.model("arm", device) for device in ("arm-1", ODD)]
    assert [m and m.version for m in both] == [champion.version, row.version]
    late = [event_of("arm", device, 500, "fist") for device in ("arm-1", ODD)]
    async with engine.begin() as conn:
        await events.add(conn, late)
    assert both[0] is not None
    await LateClassifier(engine).run(both[0], lambda d: champions.model("arm", d))
    async with engine.connect() as conn:
        said = [(await events.get(conn, one.id)).prediction for one in late]
    assert [s and s.model_version for s in said] == [champion.version, row.version]
    assert said[1] is not None
    assert said[1].label == "wave"

    await label(engine, ODD, 600, 36)  # from now on it is as all others
    again = await train(engine, artefacts)
    [odd] = [one for one in again["devices"] if one["device"] == ODD]
    assert odd["verdict"] == "retire"
    assert await own(engine) is None
    await champions.refresh()
    served = champions.model("arm", ODD)
    assert served is not None
    assert served.version == champions.version("arm")
    async with engine.connect() as conn:
        acts = [p.act for p in await models.history(conn, "arm", device=ODD)]
        retired = await models.get(conn, row.version)
    assert (acts, retired.state) == (["release", "promote"], "retired")


@pytest.mark.parametrize("retrain", [{"personal": False}, {"promote": "never"}])
async def test_nothing_of_a_devices_own_serves_where_it_is_not_wanted(
    engine: AsyncEngine, artefacts: Artefacts, retrain: dict[str, Any]
):
    await put_profile(engine, profile_of(**retrain))
    await add_version(engine, artefacts, "first", promote_from=None)
    await label(engine, "arm-1", 0, 60)
    await label(engine, ODD, 0, 36, swapped=True)
    result = await train(engine, artefacts)
    assert result["promoted"] == ("promote" not in retrain)
    assert await own(engine) is None
    judged = {one["device"]: one["verdict"] for one in result["devices"]}
    assert judged.get(ODD) == ("promote" if "promote" in retrain else None)


async def test_a_version_that_somebody_chose_for_a_device_stays(
    engine: AsyncEngine, artefacts: Artefacts
):
    await put_profile(engine, profile_of())
    chosen = await add_version(engine, artefacts, "chosen")
    await label(engine, "arm-1", 0, 36)
    await label(engine, ODD, 0, 30, swapped=True)
    async with engine.begin() as conn:
        await models.promote(conn, "arm", chosen, None, "ann", "I know", ODD)
    result = await train(engine, artefacts)
    assert ODD not in {one["device"] for one in result["devices"]}
    assert await own(engine) == chosen


async def test_an_own_model_that_does_not_load_leaves_the_device_to_the_champion(
    engine: AsyncEngine, artefacts: Artefacts, tmp_path: Path
):
    await put_profile(engine, profile_of())
    champion = await add_version(engine, artefacts, "a", promote_from=None)
    broken = await add_version(engine, artefacts, "b")
    async with engine.begin() as conn:
        row = await models.get(conn, broken)
        await models.promote(conn, "arm", broken, None, "ann", "test", "arm-1")
    spoil(tmp_path, row.artefact_sha256)
    champions = Champions(engine, artefacts)
    await champions.refresh()
    served = champions.model("arm", "arm-1")
    assert served is not None
    assert served.version == champion
    [problem] = champions.problems()
    assert problem.startswith(f"device arm-1: version {broken} does not load")
