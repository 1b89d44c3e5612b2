"""What devices need not wait for: the REST interface, webhooks and alerts.

Loading and building it takes as long as all the rest of a start, so it is done behind
them (`main.Front`): a service that was killed acknowledges again sooner.  Nothing is
missed meanwhile: webhooks and alerts go on from where they were in the database.
"""

from __future__ import annotations

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from app.api import application
from app.api.shapes import event_answer
from app.api.sockets import Sockets
from app.api.state import State
from app.service.background import Background
from app.service.notify.alerts import Alerts
from app.service.notify.hub import Hub
from app.service.notify.webhooks import Webhooks


def rest(state: State, sockets: Sockets) -> FastAPI:
    """Build the REST interface."""
    app = application.create()
    app.state.onset, app.state.sockets = state, sockets
    return app


def notify(
    background: Background, engine: AsyncEngine, hub: Hub, *, allow_internal: bool
) -> None:
    """Tell others what is found, from now on."""
    told = Webhooks(
        engine,
        hub,
        lambda row: event_answer(row).model_dump(mode="json"),
        allow_internal=allow_internal,
    )
    background.start("webhooks", told.run)
    background.start("alerts", Alerts(engine, hub).run)
