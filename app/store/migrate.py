"""Bring a database to the form of this version, and say which form it has."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, make_url

import app

FOLDER = Path(app.__file__).parent.parent / "migrations"


def upgrade(database_url: str, revision: str = "head") -> None:
    """Run the migrations that are missing; replicas that do so at once queue up."""
    command.upgrade(_config(database_url), revision)


def downgrade(database_url: str, revision: str) -> None:
    """Undo migrations down to `revision`; ``base`` undoes all and loses all data."""
    command.downgrade(_config(database_url), revision)


def revision(database_url: str) -> str | None:
    """Return the revision of a database, None if it is empty."""
    engine = _engine(database_url)
    try:
        with engine.connect() as conn:
            return MigrationContext.configure(conn).get_current_revision()
    finally:
        engine.dispose()


def head() -> str:
    """Return the revision that this version needs."""
    found = ScriptDirectory(str(FOLDER)).get_current_head()
    if found is None:
        raise FileNotFoundError(f"no migrations in {FOLDER}")
    return found


def _config(database_url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["database_url"] = database_url
    return config


def _engine(database_url: str) -> Engine:
    url = make_url(database_url).set(drivername="postgresql+psycopg")
    return create_engine(url, connect_args={"application_name": "onset"})
