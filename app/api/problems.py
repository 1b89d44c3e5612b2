"""Every refusal as RFC 9457 `application/problem+json`; never an echo of the input.

FastAPI's own answer to a refused body repeats it, which leaks what was sent and fails
on what cannot be encoded (``1e9999``, lone surrogates): a 500 for a bad request.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.errors import (
    ArtefactError,
    Cancelled,
    ChampionMoved,
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    OnsetError,
    Unauthenticated,
    Unavailable,
)

MEDIA_TYPE = "application/problem+json"
MAX_ERRORS = 20
"""So many broken rules are named; a body of a million bad numbers has a million."""

STATUS: Sequence[tuple[type[OnsetError], int, str]] = (
    (Unauthenticated, 401, "Not authenticated"),
    (Forbidden, 403, "Not allowed"),
    (NotFound, 404, "Not found"),
    (ChampionMoved, 412, "The champion has moved"),
    (Cancelled, 409, "Cancelled"),
    (Conflict, 409, "Conflict"),
    (InvalidInput, 422, "Invalid input"),
    (ArtefactError, 422, "Not a model that may be served"),
    (Unavailable, 503, "Unavailable"),
    (OnsetError, 500, "Internal error"),
)
"""First match counts; subclasses stand above their parents."""

AWAY = (OperationalError, InterfaceError, PoolTimeout)
"""What a database that is away looks like."""

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "description": "`about:blank`: the title says all."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "location": {"type": "array", "items": {"type": "string"}},
                    "rule": {"type": "string"},
                },
            },
        },
    },
}


def problem(
    status: int,
    title: str,
    detail: str = "",
    *,
    headers: Mapping[str, str] | None = None,
    **more: object,
) -> Response:
    """Make an answer that says what went wrong."""
    body: dict[str, object] = {"type": "about:blank", "title": title, "status": status}
    if detail:
        body["detail"] = detail
    body.update(more)
    answer = Response(
        # Escapes everything beyond ASCII, so that nothing can fail to encode.
        json.dumps(body, allow_nan=False).encode("ascii"),
        status_code=status,
        headers=dict(headers or {}),
        media_type=MEDIA_TYPE,
    )
    if status == 401:
        answer.headers["WWW-Authenticate"] = 'Bearer realm="onset"'
    if status == 503:
        answer.headers["Retry-After"] = "1"
    return answer


def problem_response(error: OnsetError) -> Response:
    """Turn an error of ours into its answer."""
    for kind, status, title in STATUS:
        if isinstance(error, kind):
            # What we did not foresee is nobody's business outside.
            detail = "" if status == 500 else str(error)
            return problem(status, title, detail)
    raise TypeError(f"{type(error).__name__} is not an OnsetError")


def unavailable() -> Response:
    """Answer while the database is away."""
    return problem(503, "Unavailable", "the database does not answer")


def unforeseen() -> Response:
    """Answer to an error that nobody foresaw; its story is in the log only."""
    return problem(500, "Internal error", "this is logged; please report it")


def invalid(error: RequestValidationError) -> Response:
    """Name where which rule is broken, and not what was sent there."""
    found = error.errors()
    named = [
        {
            "location": [_place(step) for step in one.get("loc", ())],
            "rule": str(one.get("type", "invalid")),
        }
        for one in found[:MAX_ERRORS]
    ]
    detail = "; ".join(f"{'.'.join(e['location'])}: {e['rule']}" for e in named[:3])
    if len(found) > 3:
        detail += f"; and {len(found) - 3} more"
    return problem(422, "Invalid input", detail, errors=named)


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
        return problem(error.status_code, title, headers=error.headers)

    for kind in AWAY:

        @app.exception_handler(kind)
        async def away(_: Request, __: Exception) -> Response:
            return unavailable()
