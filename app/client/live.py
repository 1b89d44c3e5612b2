"""Server-sent events of ``GET /live``: parsed, and resumed after a break."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import httpx

from app.client.problems import raise_for_problem
from app.client.retry import Backoff
from app.errors import Unauthenticated, Unavailable

SILENCE_SECONDS = 60.0
"""The service says something every 15 s, if only that it is there."""


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened.

    Parameters
    ----------
    kind : str
        ``event``, ``prediction``, ``onset``, ``label``, ``model``, ``job`` ...
    data : mapping
    id : str or None
        Where to resume: pass it as `last_event_id`.
    """

    kind: str
    data: Any
    id: str | None


class Parser:
    """Lines of `text/event-stream`, as the WHATWG standard reads them.

    Examples
    --------
    >>> parser = Parser()
    >>> [parser.line(text) for text in ("event: job", 'data: {"id": 1}')]
    [None, None]
    >>> parser.line("")
    Happening(kind='job', data={'id': 1}, id=None)
    """

    def __init__(self) -> None:
        self._kind = "message"
        self._data: list[str] = []
        self._id: str | None = None

    def line(self, text: str) -> Happening | None:
        """Take a line; return what happened when it is complete."""
        if not text:
            return self._complete()
        field, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._kind = value
        elif field == "data":
            self._data.append(value)
        elif field == "id":
            self._id = value
        return None

    def _complete(self) -> Happening | None:
        kind, data, place = self._kind, self._data, self._id
        self._kind, self._data, self._id = "message", [], None
        if not data:
            return None
        return Happening(kind, json.loads("\n".join(data)), place)


async def happenings(
    client: httpx.AsyncClient, filters: Mapping[str, Any], last_event_id: str | None
) -> AsyncIterator[Happening]:
    """Hear what happens; reconnect with back-off after the last id that was heard.

    Raises
    ------
    Unauthenticated, Forbidden, InvalidInput
        If asking again would change nothing.
    """
    backoff = Backoff(Random())
    while True:
        headers = {"Accept": "text/event-stream"}
        if last_event_id is not None:
            headers["Last-Event-ID"] = last_event_id
        try:
            async with client.stream(
                "GET",
                "/live",
                params=dict(filters),
                headers=headers,
                timeout=httpx.Timeout(SILENCE_SECONDS),
            ) as answer:
                if answer.is_error:
                    await answer.aread()
                raise_for_problem(answer)
                parser = Parser()
                async for line in _lines(answer):
                    happening = parser.line(line)
                    if happening is None:
                        continue
                    backoff.reset()
                    last_event_id = happening.id or last_event_id
                    if happening.kind == "error":
                        _raise_if_final(happening)
                    elif happening.kind != "hello":
                        yield happening
        except (httpx.TransportError, Unavailable):
            pass
        await asyncio.sleep(backoff.seconds())


async def _lines(answer: httpx.Response) -> AsyncIterator[str]:
    """Split at line feeds only: httpx would split at U+2028, which JSON may hold."""
    rest = b""
    async for piece in answer.aiter_bytes():
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line.removesuffix(b"\r").decode("utf-8", "replace")


def _raise_if_final(said: Happening) -> None:
    """Raise if the key is no longer good; a reader that was too slow comes back."""
    if said.data.get("title") == "Not authenticated":
        raise Unauthenticated(str(said.data.get("detail")))
