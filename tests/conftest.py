"""A real PostgreSQL for every test that asks for one, and the shared recordings.

One server a run, and databases of it (`tests/databases.py`).  Set
`ONSET_TEST_DATABASE_URL` (a role that may create databases) to use another server.
"""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli import kernels
from app.store.embedded.postgres import EmbeddedPostgres
from tests.databases import Databases

kernels.keep()

CHECKOUT = Path(__file__).resolve().parent.parent


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile the kernels once, before several processes would each do it."""
    if session.config.getoption("numprocesses", None):
        from app import main
        from app.service.notify.hub import Hub
        from app.service.streams.fleet import Fleet
        from app.wire import quick
        from app.wire.actions import Limits

        main.warm()
        quick.rows(b"[[0]]")
        Fleet(Limits(), Hub()).warm()


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
def databases(server_url: str) -> Iterator[Databases]:
    """Databases with the newest schema, lent to one test at a time."""
    made = Databases(server_url)
    yield made
    made.close()


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """URL of a database of this test's own: the newest schema, and no row."""
    with databases.lend() as url:
        yield url


@pytest.fixture(scope="module")
def module_database_url(databases: Databases) -> Iterator[str]:
    """The same for all tests of one module together."""
    with databases.lend() as url:
        yield url


@pytest.fixture
def empty_database_url(databases: Databases) -> Iterator[str]:
    """URL of a database of this test's own with no schema at all."""
    name = f"onset_test_{secrets.token_hex(4)}"
    databases.create(name)
    yield databases.url(name)
    databases.drop(name)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real recordings, which lie beside the checkout."""
    named = os.environ.get("ONSET_SHARED")
    folder = (Path(named) if named else CHECKOUT.parent / "shared") / "data"
    if not folder.is_dir():
        pytest.skip(f"no recordings in {folder}; ONSET_SHARED names another folder")
    return folder
