"""What the REST interface does with errors: each becomes a problem (`problems`).

Never an echo of the input: FastAPI's own answer to a refused body repeats it, which
leaks what was sent and fails on what cannot be encoded (``1e9999``, lone surrogates): a
500 for a bad request.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from psycopg.errors import WithCheckOptionViolation
from sqlalchemy.exc import IntegrityError, ProgrammingError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.api.problems import problem, problem_response, unavailable
from app.errors import OnsetError
from app.store.engine import AWAY

log = structlog.get_logger()

MAX_ERRORS = 20
"""So many broken rules are named; a body of a million bad numbers has a million."""

LIMITS = ("ge", "gt", "le", "lt", "min_length", "max_length", "pattern", "expected")
"""What a broken rule tells of itself: ours, never what was sent."""


def invalid(error: RequestValidationError) -> Response:
    """Name where which rule is broken, and not what was sent there."""
    found = error.errors()
    named = [_broken(one) for one in found[:MAX_ERRORS]]
    detail = "; ".join(_in_words(one) for one in named[:3])
    if len(found) > 3:
        detail += f"; and {len(found) - 3} more"
    return problem(422, "Invalid input", detail, errors=named)


def _broken(error: Mapping[str, Any]) -> dict[str, Any]:
    """Say where which rule is broken, and which bounds it has."""
    said: dict[str, Any] = {
        "location": [_place(step) for step in error.get("loc", ())],
        "rule": str(error.get("type", "invalid")),
    }
    about = error.get("ctx") or {}
    limits = {
        name: about[name]
        for name in LIMITS
        if isinstance(about.get(name), (int, float, str))
    }
    return said | {"limits": limits} if limits else said


def _in_words(broken: Mapping[str, Any]) -> str:
    limits = ", ".join(f"{k}: {v}" for k, v in broken.get("limits", {}).items())
    words = f"{'.'.join(broken['location'])}: {broken['rule']}"
    return f"{words} ({limits})" if limits else words


def _place(step: object) -> str:
    """Name a step of a location; names that the sender chose are left out."""
    text = str(step)
    return text if text.isidentifier() or text.isdecimal() else "?"


def install(app: FastAPI) -> None:
    """Answer every error of the application as a problem."""

    @app.exception_handler(OnsetError)
    async def refused(_: Request, error: OnsetError) -> Response:
        return problem_response(error)

    @app.exception_handler(RequestValidationError)
    async def malformed(_: Request, error: RequestValidationError) -> Response:
        return invalid(error)

    @app.exception_handler(HTTPException)
    async def plain(_: Request, error: HTTPException) -> Response:
        title = HTTPStatus(error.status_code).phrase
        detail = "" if error.detail == title else error.detail
        return problem(error.status_code, title, detail, headers=error.headers)

    @app.exception_handler(IntegrityError)
    async def raced(request: Request, error: IntegrityError) -> Response:
        # What a request looked up went, or came, before it could be written.
        log.warning("raced", path=request.url.path, why=str(error.orig))
        why = "what this is about was changed or deleted at the same time: ask again"
        return problem(409, "Conflict", why)

    @app.exception_handler(ProgrammingError)
    async def out_of_reach(_: Request, error: ProgrammingError) -> Response:
        if not isinstance(error.orig, WithCheckOptionViolation):
            raise error
        why = "the key is limited: name a profile and a device that it reaches"
        return problem(403, "Forbidden", why)

    for kind in AWAY:

        @app.exception_handler(kind)
        async def away(_: Request, __: Exception) -> Response:
            return unavailable()
