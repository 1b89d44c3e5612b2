"""Server-sent events of ``GET /live``, ``/signals``: parsed, resumed after a break."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import httpx

from app.client.problems import raise_for_problem
from app.client.retry import Backoff
from app.errors import Unauthenticated, Unavailable

LIVE, SIGNALS = "/live", "/signals"
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


class Following:
    """Where a feed is, and what its lines mean: the core of both ways of reading.

    Parameters
    ----------
    path : str
        `LIVE` or `SIGNALS`; of the first, what it says to begin with is left out.
    filters : mapping
        As the route takes them.
    last_event_id : str or None
        Where to go on.
    """

    def __init__(
        self, path: str, filters: Mapping[str, Any], last_event_id: str | None
    ) -> None:
        self.path = path
        self._filters = dict(filters)
        self._last = last_event_id
        self._backoff = Backoff(Random())
        self._parser = Parser()
        self._rest = b""

    def request(self) -> dict[str, Any]:
        """Say what to ask for, from where the feed is."""
        self._parser, self._rest = Parser(), b""
        headers = {"Accept": "text/event-stream"}
        if self._last is not None:
            headers["Last-Event-ID"] = self._last
        return {
            "params": self._filters,
            "headers": headers,
            "timeout": httpx.Timeout(SILENCE_SECONDS),
        }

    def pause_seconds(self) -> float:
        """Say how long to wait before asking again."""
        return self._backoff.seconds()

    def take(self, piece: bytes) -> Iterator[Happening]:
        """Take bytes; say what happened.

        Split at line feeds only: httpx would split at U+2028, which JSON may hold.
        """
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            text = line.removesuffix(b"\r").decode("utf-8", "replace")
            happening = self._parser.line(text)
            if happening is None:
                continue
            self._backoff.reset()
            self._last = happening.id or self._last
            if happening.kind == "error":
                _raise_if_final(happening)
            elif happening.kind != "hello" or self.path != LIVE:
                yield happening


async def happenings(
    client: httpx.AsyncClient,
    path: str,
    filters: Mapping[str, Any],
    last_event_id: str | None = None,
) -> AsyncIterator[Happening]:
    """Hear what happens; reconnect with back-off after the last id that was heard.

    Raises
    ------
    Unauthenticated, Forbidden, InvalidInput
        If asking again would change nothing.
    """
    following = Following(path, filters, last_event_id)
    while True:
        try:
            async with client.stream("GET", path, **following.request()) as answer:
                if answer.is_error:
                    await answer.aread()
                raise_for_problem(answer)
                async for piece in answer.aiter_bytes():
                    for happening in following.take(piece):
                        yield happening
        except (httpx.TransportError, Unavailable):
            pass
        await asyncio.sleep(following.pause_seconds())


def happenings_blocking(
    client: httpx.Client,
    path: str,
    filters: Mapping[str, Any],
    last_event_id: str | None = None,
) -> Iterator[Happening]:
    """Hear what happens, as `happenings` does."""
    following = Following(path, filters, last_event_id)
    while True:
        try:
            with client.stream("GET", path, **following.request()) as answer:
                if answer.is_error:
                    answer.read()
                raise_for_problem(answer)
                for piece in answer.iter_bytes():
                    yield from following.take(piece)
        except (httpx.TransportError, Unavailable):
            pass
        time.sleep(following.pause_seconds())


def _raise_if_final(said: Happening) -> None:
    """Raise if the key is no longer good; a reader that was too slow comes back."""
    if said.data.get("title") == "Not authenticated":
        raise Unauthenticated(str(said.data.get("detail")))
