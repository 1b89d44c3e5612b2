"""The application: every route, behind one guard, with one way to say no."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import HTTPConnection
from starlette.staticfiles import StaticFiles

from app import __version__
from app.api import (
    alert_rules,
    alerts,
    batches,
    bundles,
    canary,
    classify,
    clusters,
    detector_jobs,
    detectors,
    devices,
    drift,
    episodes,
    events,
    explanations,
    export,
    gold,
    health,
    hindsight,
    imports,
    inference,
    jobs,
    keys,
    labels,
    live,
    models,
    near_misses,
    pages,
    problems,
    profiles,
    quarantine,
    readings,
    refusals,
    replay,
    serving,
    shadow,
    signals,
    statistics,
    trace,
    verify,
    webhooks,
)
from app.api.access import RULES
from app.api.guard import Guard
from app.api.idempotency import PARAMETER
from app.domain import Role

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

DESCRIPTION = """Turns endless device streams into labelled events, and keeps the model
that labels them fresh.  Send a key as `Authorization: Bearer <key>`; every error is an
RFC 9457 problem.  The device socket is described in `/asyncapi.json`."""


def routers() -> Sequence[APIRouter]:
    """Return the routers of the REST interface, the busiest route first."""
    return (
        classify.router,
        inference.router,
        imports.router,
        events.router,
        trace.router,
        explanations.router,
        export.router,
        labels.router,
        clusters.router,
        jobs.router,
        replay.router,
        shadow.router,
        canary.router,
        bundles.router,
        hindsight.router,
        verify.router,
        serving.router,
        models.router,
        profiles.router,
        statistics.router,
        episodes.router,
        quarantine.router,
        detectors.router,
        detector_jobs.router,
        near_misses.router,
        readings.router,
        drift.router,
        gold.router,
        devices.router,
        batches.router,
        keys.router,
        alert_rules.router,
        alerts.router,
        webhooks.router,
        live.router,
        signals.router,
        health.router,
        pages.router,
    )


def create(lifespan: Lifespan | None = None) -> FastAPI:
    """Make the application; the lifespan must set ``app.state.onset`` to a `State`."""
    app = FastAPI(
        title="Onset",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,  # the interactive pages load their scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # `/metrics`
        dependencies=[Depends(_no_stray_query)],
        responses={
            "4XX": {"description": "A problem", "content": _PROBLEM},
            503: {"description": "The database is away", "content": _PROBLEM},
        },
    )
    refusals.install(app)
    for router in routers():
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=pages.DASHBOARD), name="static")
    app.add_middleware(Guard)
    _describe(app)
    return app


_PROBLEM: dict[str, Any] = {problems.MEDIA_TYPE: {"schema": problems.SCHEMA}}


async def _no_stray_query(connection: HTTPConnection) -> None:
    """Refuse query parameters where a route has none; query models see to the rest."""
    route = connection.scope.get("route")
    if not connection.query_params or not isinstance(route, APIRoute):
        return
    if not route.dependant.query_params:
        place = ("query", next(iter(connection.query_params)))
        raise RequestValidationError([{"type": "extra_forbidden", "loc": place}])


def _describe(app: FastAPI) -> None:
    """Say in the OpenAPI document what each route asks of its caller."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema:
            return app.openapi_schema
        document = plain()
        parts = document.setdefault("components", {})
        parts["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        for path, methods in document["paths"].items():
            for method, route in methods.items():
                rule = RULES.get((method.upper(), path))
                if rule is not None and (rule.least or rule.devices):
                    route["security"] = [{"key": []}]
                    route["x-least-role"] = (rule.least or Role.DEVICE).value
                if method == "post":
                    route.setdefault("parameters", []).append(PARAMETER)
                # what is really answered, instead of FastAPI's own shape
                route["responses"].pop("422", None)
        for unused in ("HTTPValidationError", "ValidationError"):
            parts.get("schemas", {}).pop(unused, None)
        return document

    app.openapi = described  # type: ignore[method-assign]
