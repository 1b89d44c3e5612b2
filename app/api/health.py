"""Is it alive, may it get traffic, what does it count."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import JSONResponse, PlainTextResponse, Response

from app.api.state import State, current

router = APIRouter(tags=["Health"])


@router.get("/health/live")
async def health_live(state: Annotated[State, Depends(current)]) -> dict[str, float]:
    """Whether the process turns; restart it when this does not answer."""
    up = (datetime.now(UTC) - state.started_at).total_seconds()
    return {"uptime_seconds": round(up, 3)}


@router.get("/health/ready", responses={503: {"description": "Not ready: reasons"}})
async def health_ready(state: Annotated[State, Depends(current)]) -> Response:
    """Whether this process may get traffic, with each reason why not."""
    reasons = list(state.ready())
    return JSONResponse(
        {"ready": not reasons, "reasons": reasons},
        status_code=503 if reasons else 200,
    )


@router.get("/health/startup", responses={503: {"description": "Still starting"}})
async def health_startup(state: Annotated[State, Depends(current)]) -> Response:
    """Whether the start is over: champions are loaded; it stays so.

    Until then 503 with the reasons. What comes later is told by `/health/ready`.
    """
    reasons = [] if state.started() else list(state.ready())
    return JSONResponse(
        {"started": not reasons, "reasons": reasons},
        status_code=503 if reasons else 200,
    )


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(state: Annotated[State, Depends(current)]) -> Response:
    """Say what the process counts, as Prometheus reads it."""
    return Response(generate_latest(state.registry), media_type=CONTENT_TYPE_LATEST)
