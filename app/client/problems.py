"""From `application/problem+json` to the errors that a caller can catch."""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from app.errors import (
    ChampionMoved,
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    OnsetError,
    Unauthenticated,
    Unavailable,
)

ERRORS: Mapping[int, type[OnsetError]] = {
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    412: ChampionMoved,
    429: Unavailable,
}


def raise_for_problem(answer: httpx.Response) -> None:
    """Raise what an answer's status stands for, with its title and detail.

    Examples
    --------
    >>> body = {"title": "Not found", "detail": "no event 7"}
    >>> raise_for_problem(httpx.Response(404, json=body))
    Traceback (most recent call last):
        ...
    app.errors.NotFound: Not found: no event 7
    """
    if answer.is_success:
        return
    status = answer.status_code
    error = Unavailable if status >= 500 else ERRORS.get(status, InvalidInput)
    raise error(_say(answer))


def _say(answer: httpx.Response) -> str:
    try:
        body = answer.json()
    except ValueError:
        return f"HTTP {answer.status_code}"
    if not isinstance(body, dict) or "title" not in body:
        return f"HTTP {answer.status_code}"
    return ": ".join(str(body[name]) for name in ("title", "detail") if body.get(name))
