"""Every refusal as RFC 9457 `application/problem+json`; never an echo of the input.

FastAPI's own answer to a refused body repeats it, which leaks what was sent and fails
on what cannot be encoded (``1e9999``, lone surrogates): a 500 for a bad request.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from psycopg.errors import WithCheckOptionViolation
from sqlalchemy.exc import IntegrityError, ProgrammingError
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
from app.store.engine import AWAY

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
MAX_ERRORS = 20
"""So many broken rules are named; a body of a million bad numbers has a million."""

LIMITS = ("ge", "gt", "le", "lt", "min_length", "max_length", "pattern", "expected")
"""What a broken rule tells of itself: ours, never what was sent."""

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
                    "limits": {
                        "type": "object",
                        "description": "The bounds of the rule, by name.",
                    },
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


def on_the_wire(answer: Response) -> bytes:
    """Write an answer for a connection that is closed after it."""
    status = HTTPStatus(answer.status_code)
    head = [f"HTTP/1.1 {status.value} {status.phrase}".encode("ascii")]
    head += [name + b": " + value for name, value in answer.raw_headers]
    return b"\r\n".join([*head, b"connection: close", b"", bytes(answer.body)])


def problem_response(error: OnsetError) -> Response:
    """Turn an error of ours into its answer."""
    for kind, status, title in STATUS:
        if isinstance(error, kind):
            # What we did not foresee is nobody's business outside.
            detail = "" if status == 500 else str(error)
            return problem(status, title, detail)
    raise TypeError(f"{type(error).__name__} is not an OnsetError")


def unavailable(why: str = "the database does not answer") -> Response:
    """Answer while something that is needed is away."""
    return problem(503, "Unavailable", why)


def unforeseen() -> Response:
    """Answer to an error that nobody foresaw; its story is in the log only."""
    return problem(500, "Internal error", "this is logged; please report it")


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
