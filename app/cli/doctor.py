"""`onset doctor`: the settings in force, and each thing Onset needs, looked at."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import typer

from app.cli import configuration
from app.cli.database import running, unreachable
from app.cli.options import Url
from app.cli.rest import Service
from app.errors import OnsetError
from app.settings import Settings
from app.store import migrate
from app.store.embedded.binaries import find_postgres

NEEDED_BYTES = 2**30
"""Less free space than that ends in a full disk sooner than anybody looks again."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look at one thing told; `good` None: neither good nor bad."""

    what: str
    good: bool | None
    detail: str


def doctor(
    url: Url = None,
) -> None:
    """Check the settings and every dependency; exit code 1 if one is broken."""
    settings = configuration.load()
    typer.echo("settings in force")
    for variable, value in configuration.masked(settings).items():
        typer.echo(f"  {variable} = {value}")
    typer.echo("checks")
    broken = 0
    for finding in findings(settings, url):
        mark = {True: "ok     ", False: "BROKEN ", None: "-      "}[finding.good]
        typer.echo(f"  {mark}{finding.what}: {finding.detail}")
        broken += finding.good is False
    if broken:
        typer.echo(f"{broken} broken", err=True)
        raise SystemExit(1)


def findings(settings: Settings, url: str | None) -> Iterator[Finding]:
    """Look at one thing after the other; no look depends on another's success."""
    looks: list[tuple[str, Callable[[], Finding]]] = [
        ("Python", _python),
        ("data folder", lambda: _folder("data folder", settings.data_dir)),
        ("models folder", lambda: _folder("models folder", settings.models_dir)),
        ("PostgreSQL", lambda: _postgres(settings)),
        ("database", lambda: _database(settings)),
        ("service", lambda: _service(settings, url)),
        ("admin key", lambda: _admin_key(settings)),
    ]
    for what, look in looks:
        try:
            yield look()
        except (OnsetError, OSError) as error:
            yield Finding(what, False, str(error).splitlines()[0])


def _python() -> Finding:
    version = sys.version.split()[0]
    return Finding("Python", sys.version_info >= (3, 11), f"{version} ({sys.platform})")


def _folder(what: str, folder: Path) -> Finding:
    there = folder
    while not there.exists():
        there = there.absolute().parent
    if not os.access(there, os.W_OK | os.X_OK):
        return Finding(what, False, f"{folder}: no right to write in {there}")
    free = shutil.disk_usage(there).free
    state = "" if folder.exists() else "will be made, "
    detail = f"{folder}: {state}{free / 2**30:.1f} GiB free"
    return Finding(what, free >= NEEDED_BYTES, detail)


def _postgres(settings: Settings) -> Finding:
    if settings.database_url is not None:
        return Finding("PostgreSQL", None, "DATABASE_URL is set, ours is not used")
    found = find_postgres()
    return Finding("PostgreSQL", True, f"version {found.major()} in {found.bin}")


def _database(settings: Settings) -> Finding:
    url = running(settings)
    if url is None:
        return Finding("database", None, "not running; `onset up` or `serve` start it")
    why = unreachable(url)
    if why:
        return Finding("database", False, why)
    have, want = migrate.revision(url), migrate.head()
    detail = f"answers, revision {have}"
    if have != want:
        detail += f", but this version needs {want}: run `onset db upgrade`"
    return Finding("database", have == want, detail)


def _service(settings: Settings, url: str | None) -> Finding:
    place = url or configuration.address(settings)
    host, port = settings.host, settings.port
    if url is None:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.settimeout(1.0)
            if probe.connect_ex((host, port)):
                return Finding("service", None, f"nothing answers at {place}")
    answer = Service(place, None).call("GET", "/health/ready")
    return Finding("service", True, f"{place} is ready: {answer}")


def _admin_key(settings: Settings) -> Finding:
    path = settings.data_dir / configuration.ADMIN_KEY_FILE
    if settings.admin_key is not None:
        return Finding("admin key", True, "ONSET_ADMIN_KEY is set")
    if not path.exists():
        return Finding("admin key", None, f"{path} is made at the first start")
    mode = path.stat().st_mode & 0o777
    good = not mode & 0o077
    rule = "" if good else ", must be readable by its owner only (chmod 600)"
    return Finding("admin key", good, f"{path}, mode {mode:o}{rule}")
