"""A service that may be restarting: what cannot be answered now is asked again."""

from __future__ import annotations

import asyncio
from typing import Any

from app.client import Onset
from app.client.rest import Way
from app.errors import Unavailable

PAUSE_SECONDS = 0.5


class Site(Onset):
    """The service as owners of devices and a patient person see it."""

    async def call(self, way: Way, path: str, **request: Any) -> Any:
        """Ask until there is an answer; return its JSON, None when it has no body.

        Everything that is asked here may be asked twice: to declare a profile or a
        device changes nothing the second time, and a label said twice is one label.
        """
        while True:
            try:
                return await super().call(way, path, **request)
            except Unavailable:
                await asyncio.sleep(PAUSE_SECONDS)
