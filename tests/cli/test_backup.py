"""What is backed up comes back: events, windows and labels, by the documented way."""

import subprocess
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from app.cli.db import backup
from app.errors import Unavailable
from app.store import engine as database
from app.store import events, labels, migrate
from app.store.embedded.binaries import find_postgres
from tests.service.scene import add_events, cycle, profile_of, put_profile


def restore(dump: Path, url: str) -> None:
    """Do what `docs/operations.md` says."""
    tool = find_postgres().tool("pg_restore")
    subprocess.run([tool, "--no-owner", f"--dbname={url}", dump], check=True)


async def everything(conn: AsyncConnection) -> list[tuple[object, ...]]:
    """Return what is known of each event, its readings included."""
    rows, _ = await events.list_(conn, events.EventFilter(), 100)
    shown = await events.windows(conn, [row.id for row in rows])
    said = await labels.latest(conn, [row.id for row in rows])
    return [
        (row.id, row.position, row.onset, shown[row.id].tobytes(), said.get(row.id))
        for row in rows
    ]


async def test_a_backup_restored_is_what_was_there(
    database_url: str,
    empty_database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    engine = database.create(database_url)
    await put_profile(engine, profile_of())
    await add_events(engine, "arm", cycle(7))
    await add_events(engine, "arm", cycle(2), start=7, labelled=False)
    async with engine.connect() as conn:
        before = await everything(conn)
    await engine.dispose()
    assert len(before) == 9
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("ONSET_DATA_DIR", str(tmp_path))
    dump = tmp_path / "onset.dump"
    backup(dump)
    assert dump.stat().st_mode & 0o077 == 0  # it holds digests of keys
    with pytest.raises(Unavailable, match="exists already"):
        backup(dump)
    restore(dump, empty_database_url)
    assert migrate.revision(empty_database_url) == migrate.revision(database_url)
    engine = database.create(empty_database_url)
    async with engine.connect() as conn:
        assert await everything(conn) == before
    await add_events(engine, "arm", ["fist"], start=50)  # and it goes on
    async with engine.connect() as conn:
        after = await everything(conn)
    await engine.dispose()
    assert len(after) == 10
    assert after[-1][1] > before[-1][1]
