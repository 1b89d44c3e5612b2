"""Which form a database has and which one this version needs, without Alembic.

Importing Alembic costs a tenth of a second, and a start needs it only where the two
differ.  `migrate` has the same two functions by Alembic's own account; a test holds
them against each other.
"""

from __future__ import annotations

from pathlib import Path

import psycopg
from psycopg import errors

import app

VERSIONS = Path(app.__file__).parent.parent / "migrations" / "versions"


def head() -> str:
    """Return the newest revision: the number that begins the last file's name.

    Raises
    ------
    FileNotFoundError
        If there are no migrations.
    """
    names = sorted(path.name for path in VERSIONS.glob("[0-9]*_*.py"))
    if not names:
        raise FileNotFoundError(f"no migrations in {VERSIONS}")
    return names[-1].partition("_")[0]


def current(url: str) -> str | None:
    """Return the revision of a database, None if it has none."""
    with psycopg.connect(url, application_name="onset") as conn:
        try:
            row = conn.execute("SELECT version_num FROM alembic_version").fetchone()
        except errors.UndefinedTable:
            return None
    return row[0] if row else None
