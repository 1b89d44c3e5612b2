"""The dashboard's files and the description of the device socket."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from starlette.responses import FileResponse

from app import __version__
from app.wire import asyncapi

router = APIRouter(include_in_schema=False)

DASHBOARD = Path(str(files("app") / "dashboard"))


@router.get("/", response_class=FileResponse)
async def page() -> FileResponse:
    """Return the dashboard."""
    return FileResponse(DASHBOARD / "index.html", headers={"Cache-Control": "no-cache"})


@router.get("/asyncapi.json")
async def describe_socket() -> dict[str, Any]:
    """Describe the device socket as AsyncAPI 3."""
    return asyncapi.document(__version__)
