"""`onset db`: the database's form, and a copy of it."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from app.cli import configuration
from app.cli.database import available, upgrade
from app.errors import Unavailable
from app.store import migrate
from app.store.embedded.binaries import find_postgres

db = typer.Typer(no_args_is_help=True, help="The database's form, and a copy of it.")


@db.command("upgrade")
def upgrade_() -> None:
    """Bring the tables to this version's form."""
    with available(configuration.load()) as url:
        upgrade(url)
        typer.echo(f"the database is at revision {migrate.revision(url)}")


@db.command()
def backup(
    file: Annotated[
        Path | None, typer.Argument(help="Default: onset-<time>.dump, here.")
    ] = None,
) -> None:
    """Write a copy that `pg_restore` reads; the service may go on meanwhile."""
    target = file or Path(f"onset-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.dump")
    if target.exists():
        raise Unavailable(f"{target} exists already; nothing was written")
    with available(configuration.load()) as url:
        parts = conninfo_to_dict(url.replace("postgresql+psycopg://", "postgresql://"))
        secret = str(parts.pop("password", ""))
        fresh = target.with_name(f"{target.name}.new")
        fresh.touch(mode=0o600)  # it holds what people said and keys' digests
        tool = find_postgres().tool("pg_dump")
        done = subprocess.run(
            [
                tool,
                "--format=custom",
                f"--file={fresh}",
                f"--dbname={make_conninfo('', **parts)}",
            ],
            env={**os.environ, "PGPASSWORD": secret},  # not where `ps` shows it
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        fresh.unlink(missing_ok=True)
        said = done.stderr.strip().splitlines()[:1] or ["it did not say why"]
        raise Unavailable(f"pg_dump failed: {said[0]}")
    fresh.replace(target)
    typer.echo(f"{target}: {target.stat().st_size:,} bytes")
