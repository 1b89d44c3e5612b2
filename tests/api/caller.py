"""Somebody with a key who calls the service."""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial
from typing import Any, Protocol

import httpx

MEDIA_TYPE = "application/problem+json"


class Caller(Protocol):
    def __call__(
        self, method: str, path: str, **more: Any
    ) -> Awaitable[httpx.Response]: ...


def api_of(client: httpx.AsyncClient, secret: str) -> Caller:
    """Make a caller that presents a key."""
    return partial(_call, client, secret)


async def _call(
    client: httpx.AsyncClient, secret: str, method: str, path: str, **more: Any
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {secret}", **more.pop("headers", {})}
    return await client.request(method, path, headers=headers, **more)


def require_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """Check that an answer is a problem of RFC 9457 and return it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == MEDIA_TYPE
    said: dict[str, Any] = answer.json()
    assert said["status"] == status
    assert said["type"]
    assert said["title"]
    return said
