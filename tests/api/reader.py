"""Reads server-sent events from the application, without a socket between."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

from fastapi import FastAPI


class Said(NamedTuple):
    kind: str
    data: Any
    id: str | None


class Reader:
    """One reader; `take` waits for the next message."""

    def __init__(self) -> None:
        self.status = 0
        self.started = asyncio.Event()
        self.ended = asyncio.Event()
        self._said: asyncio.Queue[Said] = asyncio.Queue()
        self._rest = ""

    async def take(self) -> Said:
        async with asyncio.timeout(10):
            return await self._said.get()

    async def send(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.started.set()
            return
        self._rest += message.get("body", b"").decode()
        *blocks, self._rest = self._rest.split("\n\n")
        for block in blocks:
            fields = dict(line.split(": ", 1) for line in block.splitlines())
            if "data" in fields:
                data = json.loads(fields["data"])
                self._said.put_nowait(Said(fields["event"], data, fields.get("id")))
        if not message.get("more_body"):
            self.ended.set()


@asynccontextmanager
async def reading(
    app: FastAPI, secret: str, path: str, query: str = "", **headers: str
) -> AsyncIterator[Reader]:
    """Read a path for as long as the context lasts."""
    given = {"host": "onset", "authorization": f"Bearer {secret}", **headers}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(k.encode(), v.encode()) for k, v in given.items()],
        "server": ("onset", 80),
        "client": ("test", 1),
        "state": {},
    }
    gone = asyncio.Event()
    asked = False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    reader = Reader()
    task = asyncio.create_task(app(scope, receive, reader.send))
    try:
        yield reader
    finally:
        gone.set()
        with suppress(asyncio.CancelledError):
            await asyncio.wait_for(task, 5)
