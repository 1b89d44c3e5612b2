"""The real application over a real database, driven in this process."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from app.api import application
from app.api.state import State
from app.domain import Role
from app.service.champion import Champions
from app.service.keyring import KeyRing
from app.service.metrics import Metrics
from app.service.notify.hub import Hub
from app.service.notify.signals import Signals
from app.service.streams.load import Load
from app.store import devices, keys, profiles
from app.store import engine as database
from app.store.artefacts import Artefacts
from tests.api.caller import Caller, api_of
from tests.service.scene import profile_of

DEVICE = "arm-1"


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    made = database.create(database_url, pool_size=2)
    yield made
    await made.dispose()


@pytest.fixture
def state(engine: AsyncEngine, tmp_path: Path) -> State:
    artefacts = Artefacts(tmp_path / "models")
    hub = Hub()
    return State(
        engine=engine,
        champions=Champions(engine, artefacts),
        hub=hub,
        signals=Signals(hub),
        artefacts=artefacts,
        registry=CollectorRegistry(),
        ready=lambda: [],
        started=lambda: True,
        started_at=datetime.now(UTC),
        keys=KeyRing(engine),
        load=Load(Metrics(), 1.0),
    )


@pytest.fixture(scope="session")
def shell() -> FastAPI:
    """The application without its state: building it takes a second."""
    return application.create()


@pytest.fixture
def app(shell: FastAPI, state: State) -> FastAPI:
    shell.state.onset = state
    return shell


@pytest.fixture
async def secrets(engine: AsyncEngine) -> dict[str, str]:
    """A key of each role, beside profile ``arm`` with its device ``arm-1``."""
    async with engine.begin() as conn:
        await profiles.put(conn, profile_of(), None)
        await devices.put(conn, DEVICE, "arm")
        made = {}
        for role in Role:
            owner = DEVICE if role is Role.DEVICE else None
            _, made[role.value] = await keys.create(
                conn, role=role, name=role.value, device=owner
            )
    return made


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A caller without a key."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://onset") as made:
        yield made


@pytest.fixture
def api(client: httpx.AsyncClient, secrets: dict[str, str]) -> dict[str, Caller]:
    """Callers by role."""
    return {role: api_of(client, secret) for role, secret in secrets.items()}


@pytest.fixture
def admin(api: dict[str, Caller]) -> Caller:
    return api["admin"]
