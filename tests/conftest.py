"""A real PostgreSQL for every test that asks for one, and the shared recordings.

One server a run, one migrated template database, one copy of it a test.  Set
`ONSET_TEST_DATABASE_URL` (a role that may create databases) to use another server.
"""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from app.cli import kernels
from app.store import migrate
from app.store.embedded.postgres import EmbeddedPostgres

kernels.keep()

CHECKOUT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a server on which databases can be made."""
    named = os.environ.get("ONSET_TEST_DATABASE_URL")
    if named:
        yield named.replace("postgresql+psycopg://", "postgresql://")
        return
    folder = tmp_path_factory.mktemp("server")
    with EmbeddedPostgres(folder / "postgres", durable=False) as server:
        yield server.url


@pytest.fixture(scope="session")
def template_database(server_url: str) -> Iterator[str]:
    """Name of a database with the newest schema and nothing in it."""
    name = f"onset_template_{secrets.token_hex(4)}"
    _run(server_url, "create database {}", name)
    migrate.upgrade(_with_database(server_url, name))
    yield name
    _run(server_url, "drop database {} with (force)", name)


@pytest.fixture
def database_url(server_url: str, template_database: str) -> Iterator[str]:
    """URL of a database of this test's own, with the newest schema."""
    name = f"onset_test_{secrets.token_hex(4)}"
    _run(server_url, "create database {} template {}", name, template_database)
    yield _with_database(server_url, name)
    _run(server_url, "drop database {} with (force)", name)


@pytest.fixture
def empty_database_url(server_url: str) -> Iterator[str]:
    """URL of a database of this test's own with no schema at all."""
    name = f"onset_test_{secrets.token_hex(4)}"
    _run(server_url, "create database {}", name)
    yield _with_database(server_url, name)
    _run(server_url, "drop database {} with (force)", name)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real recordings, which lie beside the checkout."""
    named = os.environ.get("ONSET_SHARED")
    folder = (Path(named) if named else CHECKOUT.parent / "shared") / "data"
    if not folder.is_dir():
        pytest.skip(f"no recordings in {folder}; ONSET_SHARED names another folder")
    return folder


def _run(server_url: str, statement: str, *names: str) -> None:
    query = sql.SQL(statement).format(*map(sql.Identifier, names))
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(query)


def _with_database(server_url: str, name: str) -> str:
    return urlsplit(server_url)._replace(path=f"/{name}").geturl()
