"""The composition root: everything is built here, once, and handed to who needs it.

What devices need comes first; `behind` has the rest.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np
import uvicorn
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.applications import Starlette
from starlette.types import ASGIApp

from app import detection, features
from app.api import devices_socket
from app.api.devices_socket import DeviceSocket
from app.api.front import Front
from app.api.rate import Allowance
from app.api.receipt import Door
from app.api.sockets import Patience, Sockets
from app.api.state import State
from app.domain.compiled import loadable
from app.errors import InvalidInput
from app.learning import onerow
from app.learning.model import Model
from app.loading import uncollected
from app.service.admin import ensure_admin_key
from app.service.background import Background
from app.service.champion import Champions
from app.service.detectors import Detectors
from app.service.garbage import tidy
from app.service.keyring import KeyRing
from app.service.metrics import Metrics
from app.service.notify.feed import Feed
from app.service.notify.hub import Hub, Message
from app.service.notify.signals import Signals
from app.service.streams.commit import GroupCommit, Pace
from app.service.streams.fleet import Fleet
from app.service.streams.ingest import Ingest
from app.service.streams.load import Load
from app.service.streams.shared import Shared
from app.settings import Settings
from app.store import engine as database
from app.store.artefacts import Artefacts
from app.store.engine import AWAY
from app.wire import quick
from app.wire.actions import Limits

if TYPE_CHECKING:
    from app.service.directory import Directory

DRAIN_SECONDS = 7.0
"""Time for the last commit at SIGTERM, so that the whole end takes at most ten."""

PATIENCE_SECONDS = 60.0
"""For a database that has gone since it was looked for."""

BEHIND_SECONDS = 1.0
"""Devices that come back after a crash are served first, unless others ask by REST."""


class Server(uvicorn.Server):
    """uvicorn, but what devices sent is durable and acknowledged before they go."""

    def __init__(self, config: uvicorn.Config, app: Front) -> None:
        super().__init__(config)
        self._app = app

    async def main_loop(self) -> None:
        """Serve, and set aside what lives: the process is ours."""
        async with Background() as beside:
            beside.start("garbage", tidy)
            await super().main_loop()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, drain, then let uvicorn close what is left."""
        for server in self.servers:
            server.close()
        draining: Sockets | None = getattr(self._app.state, "sockets", None)
        if draining is not None:
            await draining.drain(DRAIN_SECONDS)
        await super().shutdown(sockets)


def serve(settings: Settings, listener: socket.socket | None = None) -> bool:
    """Serve until a signal ends it; return whether it ever started."""
    metrics = Metrics()
    app = create_app(settings, metrics)
    door = Door(
        settings.receipt_timeout_seconds,
        settings.unfinished_per_address,
        lambda reason: metrics.refused.labels(reason).inc(),
        devices_socket.wanted,
        lambda upgrading: DeviceSocket(upgrading, app),
    )
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=door.protocol(),
        ws="none",  # the door hands device sockets over itself
        access_log=False,
        log_level=settings.log_level,
        timeout_graceful_shutdown=1,
        backlog=4096,
    )
    server = Server(config, app)
    server.run(sockets=[listener] if listener else None)
    return server.started


def create_app(settings: Settings, metrics: Metrics | None = None) -> Front:
    """Build the service; its parts come to life in the lifespan.

    Raises
    ------
    ValueError
        If `settings` names no database: `onset up` and `onset serve` provide one.
    InvalidInput
        If it names an issuer of tokens in a way that cannot be right.
    """
    if settings.database_url is None:
        raise ValueError("create_app needs settings.database_url")
    url = settings.database_url.get_secret_value()
    directory = _directory(settings)
    background = Background()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        # loads compiled code, or compiles it; the rest follows while others are served
        with uncollected():
            loadable()
            detection.warm(["energy"])
            quick.rows(b"[[0]]")
        engine = database.create(url, pool_size=settings.pool_size)
        given = settings.admin_key
        await _patiently(
            lambda: ensure_admin_key(
                engine,
                given.get_secret_value() if given else None,
                settings.data_dir,
            )
        )
        async with background:
            front.state.onset, front.state.sockets = _build(
                settings, url, engine, background, metrics or Metrics(), directory
            )
            background.start("behind", behind)
            yield
        await database.close(engine)
        if directory is not None:
            await directory.close()

    async def build() -> ASGIApp:
        state, sockets = front.state.onset, front.state.sockets
        with uncollected():
            parts = await asyncio.to_thread(import_module, "app.behind")
            made: ASGIApp = await asyncio.to_thread(parts.rest, state, sockets)
        internal = settings.webhooks_allow_internal
        parts.notify(background, state.engine, state.hub, allow_internal=internal)
        return made

    async def behind() -> None:
        await asyncio.sleep(BEHIND_SECONDS)
        await front.rest()
        threading.Thread(target=warm, daemon=True).start()  # ends when we do
        await asyncio.Event().wait()

    front = Front(lifespan, build)
    return front


async def _patiently(work: Callable[[], Awaitable[object]]) -> None:
    """Do what needs the database; one that is recovering from a crash is waited for."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE_SECONDS
    while True:
        try:
            await work()
            return
        except AWAY:
            if loop.time() > deadline:
                raise
        await asyncio.sleep(0.1)


def warm() -> None:
    """Compile, or load, the kernels that nobody waits for when the service starts."""
    features.extract(np.zeros((8, 1), np.float32), 50.0)
    detection.warm()
    onerow.warm()


def _build(
    settings: Settings,
    url: str,
    engine: AsyncEngine,
    background: Background,
    metrics: Metrics,
    directory: Directory | None,
) -> tuple[State, Sockets]:
    hub = Hub()
    artefacts = Artefacts(settings.models_dir)

    def swapped(model: Model) -> None:
        data = {"profile": model.profile, "version": model.version, "served": True}
        hub.publish(Message("model", data))
        serves = champions.version(model.profile)
        metrics.serving.labels(model.profile).set(serves or 0)

    champions = Champions(
        engine,
        artefacts,
        poll_seconds=settings.poll_interval_seconds,
        on_swap=swapped,
    )
    commit = GroupCommit(
        engine,
        metrics,
        Pace(
            tick_seconds=settings.commit_interval_ms / 1000,
            ack_seconds=settings.ack_interval_ms / 1000,
            eager=settings.eager_streams,
        ),
    )
    detectors = Detectors(engine, settings.poll_interval_seconds)
    load = Load(metrics, settings.deadline_ms / 1000)
    shared = Shared(
        champions,
        commit,
        hub,
        metrics,
        settings.provisional_interval_seconds,
        detectors,
        load=load,
        log=settings.prediction_log,
    )
    limits = Limits(
        max_message_bytes=settings.max_message_bytes,
        max_readings=settings.max_readings,
    )
    fleet = Fleet(limits, hub)
    fleet.warm()
    sockets = Sockets(
        ingest=Ingest(engine, shared),
        commit=commit,
        metrics=metrics,
        fleet=fleet,
        load=load,
        limits=limits,
        window=settings.window_readings,
        per_key=settings.connections_per_key,
        per_second=settings.messages_per_second,
        patience=Patience(
            settings.hello_timeout_seconds,
            settings.idle_timeout_seconds,
            settings.receipt_timeout_seconds,
        ),
    )
    published = metrics.event_published_seconds
    feed = Feed(engine, url, hub, sockets.newest, published)
    background.start("commit", commit.run)
    background.start("champions", lambda: champions.run(url))
    background.start("detectors", lambda: detectors.run(url))
    background.start("feed", feed.run)
    background.start("pasts", lambda: shared.pasts.run(engine))
    background.start("gauges", lambda: metrics.models.run(engine))
    background.start("revoked keys", lambda: sockets.expel(engine))
    started = asyncio.Event()
    background.start("first look", lambda: _look(champions, started))

    background.start("load", load.run)

    def unready() -> list[str]:
        reasons = background.problems()
        if not started.is_set():
            reasons.append("starting: champions are not loaded yet")
        reasons += filter(None, [commit.problem(), load.problem()])
        if sockets.draining:
            reasons.append("draining: the service is going down")
        return reasons

    state = State(
        engine=engine,
        champions=champions,
        hub=hub,
        signals=Signals(hub),
        artefacts=artefacts,
        registry=metrics.registry,
        ready=unready,
        started=started.is_set,
        started_at=datetime.now(UTC),
        keys=KeyRing(engine, directory=directory),
        load=load,
        allowance=Allowance(settings.requests_per_second),
    )
    return state, sockets


def _directory(settings: Settings) -> Directory | None:
    """Return who vouches for people, None if nobody does."""
    if settings.oidc_issuer is None:
        return None
    if settings.oidc_audience is None:
        raise InvalidInput(
            "ONSET_OIDC_ISSUER is set: ONSET_OIDC_AUDIENCE is needed, too"
        )
    # most services have none, and it takes its time to import
    directory = import_module("app.service.directory")
    made: Directory = directory.Directory(
        settings.oidc_issuer,
        settings.oidc_audience,
        settings.oidc_role_claim,
        directory.roles_of(settings.oidc_roles),
    )
    return made


async def _look(champions: Champions, started: asyncio.Event) -> None:
    await champions.refresh()
    started.set()
    await asyncio.Event().wait()
