"""The service as devices' owners and operators see it: its public REST interface."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any, Self

import httpx

from app.errors import Forbidden, InvalidInput, OnsetError, Unauthenticated

TIMEOUT_SECONDS = 30.0
PAUSE_SECONDS = 0.5
PAGE = 200
REFUSALS: Mapping[int, type[OnsetError]] = {401: Unauthenticated, 403: Forbidden}


class Site:
    """A service that may be restarting: what cannot be answered now is asked again.

    Parameters
    ----------
    url, key : str
        Where it answers, and a key for what is asked.
    """

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self._client = httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        params: Mapping[str, Any] | None = None,
    ) -> Any:
        """Ask until there is an answer; return its JSON, None when it has no body.

        Raises
        ------
        InvalidInput, Unauthenticated, Forbidden
            If the service refuses.
        """
        said = {k: v for k, v in (params or {}).items() if v is not None}
        while True:
            try:
                answer = await self._client.request(
                    method, path, json=body, params=said
                )
            except httpx.TransportError:
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            if answer.status_code in (429, 502, 503, 504):
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            if answer.is_error:
                kind = REFUSALS.get(answer.status_code, InvalidInput)
                raise kind(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
            return answer.json() if answer.content else None

    async def events(self, **asked: Any) -> AsyncIterator[dict[str, Any]]:
        """Read all events that a filter of ``GET /events`` lets through."""
        cursor = None
        while True:
            page = await self.call(
                "GET", "/events", params={**asked, "limit": PAGE, "cursor": cursor}
            )
            for event in page["items"]:
                yield event
            cursor = page["next_cursor"]
            if not cursor:
                return
