from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import Role
from app.errors import Conflict, InvalidInput, NotFound, Unauthenticated
from app.store import keys
from app.store.tables import api_keys
from tests.store.conftest import World


async def test_a_key_is_found_by_what_was_shown_once(conn: AsyncConnection):
    key, presented = await keys.create(conn, role=Role.VIEWER, name="ann")
    assert presented.startswith(f"ons_{key.id}_")
    assert await keys.find(conn, presented) == key
    assert (key.role, key.name, key.device) == (Role.VIEWER, "ann", None)


async def test_the_secret_is_not_in_the_database(conn: AsyncConnection):
    key, presented = await keys.create(conn, role=Role.ADMIN, name="ann")
    row = (await conn.execute(select(api_keys))).one()
    assert presented.rsplit("_", 1)[1] not in repr(row)
    assert presented not in repr(key)


async def test_other_secrets_of_a_known_id_are_refused(conn: AsyncConnection):
    key, presented = await keys.create(conn, role=Role.ADMIN, name="ann")
    for wrong in (
        presented[:-1] + ("a" if presented[-1] != "a" else "b"),
        presented + "a",
        presented[:-1],
        f"ons_{key.id}_",
        key.id,
        "",
        "ons_00000000_00",
        "é" * 300,
    ):
        with pytest.raises(Unauthenticated):
            await keys.find(conn, wrong)


async def test_a_key_that_somebody_chose(conn: AsyncConnection):
    key, presented = await keys.create(
        conn, role=Role.ADMIN, name="admin", secret="my own long secret"
    )
    assert presented == "my own long secret"
    assert await keys.find(conn, "my own long secret") == key
    with pytest.raises(Conflict):
        await keys.create(conn, role=Role.ADMIN, name="x", secret="my own long secret")


async def test_a_revoked_key_is_no_key(conn: AsyncConnection):
    key, presented = await keys.create(conn, role=Role.VIEWER, name="ann")
    revoked = await keys.revoke(conn, key.id)
    assert revoked.revoked_at is not None
    assert (await keys.revoke(conn, key.id)).revoked_at == revoked.revoked_at
    with pytest.raises(Unauthenticated):
        await keys.find(conn, presented)
    with pytest.raises(NotFound):
        await keys.revoke(conn, "nobody")


async def test_a_key_ends_at_its_time(conn: AsyncConnection):
    now = datetime.now(UTC)
    for end, valid in ((now + timedelta(hours=1), True), (now, False)):
        key, presented = await keys.create(
            conn, role=Role.VIEWER, name="ann", expires_at=end
        )
        if valid:
            assert (await keys.find(conn, presented)).expires_at == end
        else:
            with pytest.raises(Unauthenticated):
                await keys.find(conn, presented)
        assert (await keys.get(conn, key.id)).expires_at == end


async def test_a_device_key_belongs_to_one_device(conn: AsyncConnection, world: World):
    key, _ = await keys.create(conn, role=Role.DEVICE, name="band", device="d1")
    assert key.device == "d1"
    assert await keys.list_(conn, "d1") == [key]
    with pytest.raises(NotFound):
        await keys.create(conn, role=Role.DEVICE, name="band", device="d9")
    with pytest.raises(InvalidInput):
        await keys.create(conn, role=Role.DEVICE, name="band")
    with pytest.raises(InvalidInput):
        await keys.create(conn, role=Role.ADMIN, name="band", device="d1")
