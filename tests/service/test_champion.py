import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.errors import ArtefactError, NotFound
from app.learning import classify
from app.service.champion import Champions, load
from app.store import engine as database
from app.store import models
from app.store.artefacts import Artefacts
from tests.service.scene import add_version, profile_of, put_profile, window


@pytest.fixture
async def champions(engine: AsyncEngine, artefacts: Artefacts) -> Champions:
    await put_profile(engine, profile_of())
    return Champions(engine, artefacts, kept_models=2)


async def file_of(engine: AsyncEngine, artefacts: Artefacts, version: int) -> Path:
    async with engine.connect() as conn:
        row = await models.get(conn, version)
    return artefacts.folder / row.artefact_sha256


async def test_no_champion_is_no_model_and_no_problem(champions: Champions):
    await champions.refresh()
    assert champions.model("arm") is None
    assert champions.version("arm") is None
    assert champions.problems() == []


async def test_refresh_serves_the_promoted_version(
    engine: AsyncEngine, artefacts: Artefacts, champions: Champions
):
    swapped = []
    champions = Champions(engine, artefacts, on_swap=swapped.append)
    version = await add_version(engine, artefacts, "v1", promote_from=None)
    await champions.refresh()
    await champions.refresh()
    model = champions.model("arm")
    assert model is not None
    assert swapped == [model]
    said = classify(model, window("fist", 999), 10, 10)
    assert (said.model_version, said.label) == (version, "v1:fist")


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "gone", "other", "pickle"])
async def test_a_damaged_artefact_keeps_the_old_champion_and_says_so(
    engine: AsyncEngine, artefacts: Artefacts, champions: Champions, damage: str
):
    first = await add_version(engine, artefacts, "v1", promote_from=None)
    await champions.refresh()
    second = await add_version(engine, artefacts, "v2", promote_from=first)
    path = await file_of(engine, artefacts, second)
    good = path.read_bytes()
    hurt(path, damage, await file_of(engine, artefacts, first))
    await champions.refresh()
    assert champions.version("arm") == first
    [problem] = champions.problems()
    assert problem.startswith(f"arm: version {second} does not load: ")
    with pytest.raises(ArtefactError):
        await champions.get(second)
    path.write_bytes(good)  # the file comes after all, say over a slow share
    await champions.refresh()
    assert champions.version("arm") == second
    assert champions.problems() == []


def hurt(path: Path, damage: str, other: Path) -> None:
    data = path.read_bytes()
    path.chmod(0o600)
    match damage:
        case "cut":
            path.write_bytes(data[: len(data) // 2])
        case "flip":
            middle = len(data) // 2
            path.write_bytes(
                data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
            )
        case "empty":
            path.write_bytes(b"")
        case "gone":
            path.unlink()
        case "other":
            path.write_bytes(other.read_bytes())
        case "pickle":
            path.write_bytes(b"cos\nsystem\n(S'touch marker'\ntR.")


async def test_a_card_of_another_profile_is_refused(
    engine: AsyncEngine, artefacts: Artefacts, champions: Champions
):
    version = await add_version(engine, artefacts, "v1")
    async with engine.connect() as conn:
        row = await models.get(conn, version)
    with pytest.raises(ArtefactError, match="its card of 'leg'"):
        load_with(artefacts, row, profile="leg")


def load_with(artefacts: Artefacts, row: models.ModelVersion, **changes: object):
    return load(artefacts, replace(row, card={**row.card, **changes}))


async def test_rollback_serves_the_former_version_again(
    engine: AsyncEngine, artefacts: Artefacts, champions: Champions
):
    first = await add_version(engine, artefacts, "v1", promote_from=None)
    await add_version(engine, artefacts, "v2", promote_from=first)
    await champions.refresh()
    async with engine.begin() as conn:
        await models.rollback(conn, "arm", "ann", "worse in the field")
    await champions.refresh()
    assert champions.version("arm") == first


async def test_any_version_can_be_asked_and_only_some_are_kept(
    engine: AsyncEngine, artefacts: Artefacts, champions: Champions
):
    versions = [await add_version(engine, artefacts, f"v{k}") for k in range(4)]
    for k, version in enumerate(versions):
        model = await champions.get(version)
        assert model.version == version
        assert model.classes[0] == f"v{k}:fist"
    assert len(champions._kept) == 2
    with pytest.raises(NotFound):
        await champions.get(10_000)


async def test_a_database_that_is_away_is_a_problem_and_no_crash(artefacts: Artefacts):
    engine = database.create("postgresql://nobody@127.0.0.1:1/none")
    champions = Champions(engine, artefacts)
    await champions.refresh()
    assert champions.problems() == ["champions: database away (OperationalError)"]
    await engine.dispose()


async def test_a_running_process_hears_of_a_promotion_at_once(
    engine: AsyncEngine, artefacts: Artefacts, database_url: str
):
    await put_profile(engine, profile_of())
    swapped: asyncio.Queue[int] = asyncio.Queue()
    champions = Champions(
        engine,
        artefacts,
        poll_seconds=60,
        on_swap=lambda model: swapped.put_nowait(model.version),
    )
    task = asyncio.create_task(champions.run(database_url))
    version = await add_version(engine, artefacts, "v1", promote_from=None)
    async with asyncio.timeout(5):
        assert await swapped.get() == version
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_all_processes_come_to_serve_the_same_version(
    engine: AsyncEngine, artefacts: Artefacts, database_url: str
):
    await put_profile(engine, profile_of())
    processes = [Champions(engine, artefacts, poll_seconds=60) for _ in range(3)]
    tasks = [asyncio.create_task(one.run(database_url)) for one in processes]
    former: int | None = None
    for tag in ("v1", "v2", "v3"):
        former = await add_version(engine, artefacts, tag, promote_from=former)
        async with asyncio.timeout(10):
            while {one.version("arm") for one in processes} != {former}:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
