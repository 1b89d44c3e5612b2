"""Every refusal as RFC 9457 `application/problem+json`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

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
