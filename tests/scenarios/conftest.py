"""What a scenario needs: an engine, a folder of artefacts, or a whole service."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.store import engine as database
from app.store.artefacts import Artefacts
from tests.scenarios.served import Served


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    made = database.create(database_url, pool_size=4)
    yield made
    await made.dispose()


@pytest.fixture
def artefacts(tmp_path: Path) -> Artefacts:
    return Artefacts(tmp_path / "models")


@pytest.fixture(scope="module")
def service(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """A running `onset serve`, and a database, that the tests of one module share."""
    served = Served(module_database_url, tmp_path_factory.mktemp("service"))
    served.start()
    yield served
    served.stop()
