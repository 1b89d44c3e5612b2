"""Runs the migrations, one process at a time, in one transaction."""

from __future__ import annotations

import os

from alembic import context
from sqlalchemy import NullPool, create_engine, make_url, text

from app.store import limited
from app.store.tables import metadata

LOCK = 0x6F6E7365_74000001
"""Any number that nothing else in the database locks."""


def _ours(name: str | None, kind: str, parents: object) -> bool:
    return not (kind == "table" and name and name.startswith("procrastinate_"))


def _url() -> str:
    given = context.config.attributes.get("database_url") or os.environ.get(
        "DATABASE_URL"
    )
    if not given:
        raise SystemExit("set DATABASE_URL to the database that is to be migrated")
    return given


def run() -> None:
    url = make_url(_url()).set(drivername="postgresql+psycopg")
    engine = create_engine(
        url, poolclass=NullPool, connect_args={"application_name": "onset"}
    )
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=metadata,
            include_name=_ours,
            compare_server_default=True,
        )
        with context.begin_transaction():
            connection.execute(
                text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK}
            )
            limited.remove(connection)
            context.run_migrations()
            if (
                context.get_context().get_current_revision()
                == context.script.get_current_head()
            ):
                limited.install(connection)


run()
