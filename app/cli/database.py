"""Which database a command works on, and that its tables are there.

`DATABASE_URL` if it is set; else the embedded server that another `onset` of the same
data folder runs (it left its URL in `database.url`); else an embedded server of our
own, for as long as we run.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import psycopg
import structlog

from app.cli import configuration
from app.errors import Unavailable
from app.settings import Settings
from app.store import private, revision
from app.store.embedded.postgres import EmbeddedPostgres

log = structlog.get_logger(__name__)

CLUSTER = "postgres"
CONNECT_SECONDS = 3
RECOVERY_SECONDS = 60.0
"""A server that has crashed says for so long that it is starting up."""
REFUSAL = "FATAL:"
"""So a server begins that is there and will not have us: no waiting helps."""
STARTING = (
    "the database system is starting up",
    "the database system is not yet accepting connections",
    "the database system is in recovery mode",
)


@contextmanager
def available(settings: Settings) -> Iterator[str]:
    """Provide a migrated database for as long as the context lasts.

    Raises
    ------
    Unavailable
        If none can be reached or started.
    """
    found = running(settings, patience=settings.database_wait_seconds)
    if found is not None:
        try:
            upgrade(found)
        except psycopg.OperationalError as error:
            raise Unavailable(f"the database broke off: {_line(error)}") from error
        yield found
        return
    with embedded(settings) as server:
        upgrade(server.url)
        yield server.url


@contextmanager
def embedded(settings: Settings) -> Iterator[EmbeddedPostgres]:
    """Run the data folder's own server and leave its URL for other commands."""
    note = settings.data_dir / configuration.DATABASE_URL_FILE
    with EmbeddedPostgres(settings.data_dir / CLUSTER) as server:
        private.write(note, server.url)
        try:
            yield server
        finally:
            note.unlink(missing_ok=True)


def running(settings: Settings, *, patience: float = 0.0) -> str | None:
    """URL of a database that somebody else runs, None if there is none.

    `DATABASE_URL` is waited for, `patience` seconds: services start together with it.

    Raises
    ------
    Unavailable
        If `DATABASE_URL` is set and does not answer.
    """
    if settings.database_url is not None:
        url = settings.database_url.get_secret_value()
        why = unreachable(url, patience=patience)
        if why:
            raise Unavailable(f"DATABASE_URL does not answer: {why}")
        return url
    left = configuration.read_private(
        settings.data_dir / configuration.DATABASE_URL_FILE
    )
    return left if left and not unreachable(left) else None


def required(settings: Settings) -> str:
    """URL of a database that is running already.

    Raises
    ------
    Unavailable
        If there is none.
    """
    url = running(settings)
    if url is None:
        raise Unavailable(
            f"no database: DATABASE_URL is not set and no `onset up` or `onset serve` "
            f"runs on {settings.data_dir}"
        )
    return url


def upgrade(url: str) -> None:
    """Bring the tables to this version's form, if they are not.

    What migrates is imported only where there is something to do: a service that was
    killed is back sooner without it.
    """
    if revision.current(_plain(url)) != revision.head():
        import_module("app.store.migrate").upgrade(url)


def unreachable(url: str, *, patience: float = 0.0) -> str:
    """Why the database does not answer, in one line without its password; or ''.

    One that is starting up is waited for, a minute; one that is not there, `patience`
    seconds; one that refuses us, or has no room, not at all.
    """
    began, said = time.monotonic(), False
    while True:
        try:
            with psycopg.connect(_plain(url), connect_timeout=CONNECT_SECONDS):
                return ""
        except psycopg.Error as error:
            why = _line(error)
        starting = any(words in why for words in STARTING)
        if not starting and REFUSAL in why:
            return why
        if time.monotonic() - began > (RECOVERY_SECONDS if starting else patience):
            return why
        if not (starting or said):
            said = True
            log.warning("database_awaited", why=why, seconds=patience)
        time.sleep(0.1)


def _line(error: psycopg.Error) -> str:
    """Return what went wrong, in its first line: the others may name the password."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _plain(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://", 1)
