import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from procrastinate.schema import SchemaManager
from sqlalchemy import create_engine

from app.store import migrate, revision
from app.store.tables import metadata

ROOT = Path(__file__).resolve().parents[2]


def test_up_down_and_up_again(empty_database_url: str):
    assert migrate.revision(empty_database_url) is None
    migrate.upgrade(empty_database_url)
    full = _things(empty_database_url)
    assert migrate.revision(empty_database_url) == migrate.head()
    migrate.downgrade(empty_database_url, "base")
    assert migrate.revision(empty_database_url) is None
    assert _things(empty_database_url) <= {"alembic_version", "alembic_version_pkc"}
    migrate.upgrade(empty_database_url)
    assert _things(empty_database_url) == full


def test_a_start_finds_the_revisions_that_alembic_finds(
    database_url: str, empty_database_url: str
):
    assert revision.head() == migrate.head()
    for url in (database_url, empty_database_url):
        assert revision.current(url) == migrate.revision(url)


def test_the_database_is_what_the_tables_say(database_url: str):
    url = database_url.replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(url)
    options = {
        "compare_server_default": True,
        "include_name": lambda name, kind, _: (
            kind != "table" or not name.startswith("procrastinate_")
        ),
    }
    with engine.connect() as conn:
        context = MigrationContext.configure(conn, opts=options)
        differences = compare_metadata(context, metadata)
    engine.dispose()
    assert differences == []


def test_checks_of_the_database_are_those_of_the_tables(database_url: str):
    """Alembic does not compare check constraints."""
    ours = {
        str(constraint.name)
        for table in metadata.tables.values()
        for constraint in table.constraints
    }
    with psycopg.connect(database_url) as conn:
        rows = conn.execute(
            "SELECT conname, contype FROM pg_constraint "
            "WHERE connamespace = 'public'::regnamespace AND contype <> 'n' "
            "AND conname !~ '^(procrastinate_|alembic_|check_)'"
        ).fetchall()
    assert {name for name, _ in rows} == ours


def test_replicas_that_start_at_once_migrate_once(empty_database_url: str):
    script = "import sys; from app.store import migrate; migrate.upgrade(sys.argv[1])"

    def start(_: int) -> int:
        command = [sys.executable, "-c", script, empty_database_url]
        return subprocess.run(command, cwd=ROOT, check=False).returncode

    with ThreadPoolExecutor() as pool:
        assert list(pool.map(start, range(3))) == [0, 0, 0]
    assert migrate.revision(empty_database_url) == migrate.head()


def test_the_alembic_command_works_too(database_url: str):
    done = subprocess.run(
        [sys.executable, "-m", "alembic", "current"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"{migrate.head()} (head)" in done.stdout


def test_the_queue_is_the_installed_procrastinates():
    """When this fails, a revision must apply procrastinate's own migrations."""
    [frozen] = (migrate.FOLDER / "sql").glob("*-procrastinate-*.sql")
    assert frozen.read_text() == SchemaManager.get_schema()


def _things(url: str) -> set[str]:
    with psycopg.connect(url) as conn:
        rows = conn.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace "
            "UNION SELECT proname FROM pg_proc "
            "WHERE pronamespace = 'public'::regnamespace "
            "UNION SELECT typname FROM pg_type WHERE typtype = 'e'"
        ).fetchall()
    return {name for (name,) in rows}
