"""What uvicorn serves, before there is a REST interface and after."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send


class Front(Starlette):
    """What uvicorn serves: the REST interface, once it has been built.

    Parameters
    ----------
    lifespan : async context manager
    build : async function
        Makes the REST interface; called once, when it is first asked for.
    """

    def __init__(self, lifespan: Any, build: Callable[[], Awaitable[ASGIApp]]) -> None:
        super().__init__(lifespan=lifespan)
        self._build = build
        self._rest: ASGIApp | None = None
        self._building: asyncio.Future[ASGIApp] | None = None

    async def rest(self) -> ASGIApp:
        """Give the REST interface; whoever asks first has it built."""
        if self._rest is None:
            if self._building is None:
                self._building = asyncio.ensure_future(self._build())
            try:
                self._rest = await asyncio.shield(self._building)
            except Exception:
                self._building = None  # the next one tries again
                raise
        return self._rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] == "lifespan":
            await super().__call__(scope, receive, send)
        else:
            await (self._rest or await self.rest())(scope, receive, send)
