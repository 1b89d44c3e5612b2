"""Everybody else's way to a service: its REST interface, awaited or blocking.

    async with Onset("http://127.0.0.1:8000", key) as onset:
        async for event in onset.events(profile="arm-band", labelled=False):
            print(event["id"], event["prediction"])

    with BlockingOnset("http://127.0.0.1:8000", key) as onset:
        for event in onset.events(profile="arm-band", labelled=False):
            print(event["id"], event["prediction"])

Both have the verbs of `Verbs`.  Bodies are the JSON of the REST interface, as
documented there and typed in `shapes`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from app.client import shapes
from app.client.address import is_loopback
from app.client.asking import Call, Pages, Way
from app.client.live import (
    LIVE,
    SIGNALS,
    Happening,
    happenings,
    happenings_blocking,
)
from app.client.problems import raise_for_problem
from app.client.verbs import Verbs
from app.errors import Unavailable

__all__ = ["BlockingOnset", "Onset", "Way"]

T = TypeVar("T")
UNDER_WAY = ("queued", "running")
KEPT = httpx.Limits(
    max_connections=100, max_keepalive_connections=20, keepalive_expiry=2.5
)
"""An idle connection is let go before the server closes it, after 5 s: a request that
is sent at that very moment would get no answer."""


class Onset(Verbs):
    """A running service; an async context manager.

    Parameters
    ----------
    url : str
        ``http://host:port``
    key : str or None
        Its role decides what is allowed.
    timeout_seconds : float
        For one answer.
    transport : httpx.AsyncBaseTransport or None
        Instead of the network, for tests.

    Raises
    ------
    OnsetError
        From any method: the subclass that the answer's status and title stand for,
        and Unavailable when there is no answer.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout_seconds: float = 30.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._client = httpx.AsyncClient(
            base_url=url,
            headers=_headers(key),
            timeout=timeout_seconds,
            transport=transport,
            limits=KEPT,
            trust_env=not is_loopback(url),
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

    async def call(self, way: Way, path: str, **request: Any) -> Any:
        """Ask anything; return the JSON of the answer, None when it has no body.

        Parameters
        ----------
        **request
            As `httpx.AsyncClient.request` takes it: `json`, `params`, `content` ...
        """
        try:
            answer = await self._client.request(way, path, **request)
        except httpx.TransportError as error:
            raise _unanswered(self._client.base_url, error) from error
        return _body(answer)

    async def do(self, call: Call[T]) -> T:
        """Ask what a verb says."""
        return call.read(await self.call(call.way, call.path, **call.request))

    async def each(self, pages: Pages[T]) -> AsyncIterator[T]:
        """Read a list, page by page."""
        asking = pages.calls()
        call = next(asking, None)
        while call is not None:
            body = await self.do(call)
            for item in body["items"]:
                yield item
            call = _next(asking, body)

    async def wait_job(
        self,
        job: int | str,
        *,
        timeout_seconds: float = 600.0,
        look_seconds: float = 0.5,
    ) -> shapes.Job:
        """Wait until a job is over, and return it; TimeoutError after so long."""
        async with asyncio.timeout(timeout_seconds):
            body = await self.job(job)
            while body["state"] in UNDER_WAY:
                await asyncio.sleep(look_seconds)
                body = await self.job(job)
        return body

    def live(
        self, *, last_event_id: str | None = None, **filters: Any
    ) -> AsyncIterator[Happening]:
        """Hear what happens, for ever; after a break it goes on without a hole."""
        return happenings(self._client, LIVE, filters, last_event_id)

    def signals(self, **wish: Any) -> AsyncIterator[Happening]:
        """Look at what devices send: all of a `profile`, or each `device` named."""
        return happenings(self._client, SIGNALS, wish)


class BlockingOnset(Verbs):
    """A running service, for programs without asyncio; a context manager.

    Parameters and errors are those of `Onset`; `transport` is a `httpx.BaseTransport`.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout_seconds: float = 30.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._client = httpx.Client(
            base_url=url,
            headers=_headers(key),
            timeout=timeout_seconds,
            transport=transport,
            limits=KEPT,
            trust_env=not is_loopback(url),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def call(self, way: Way, path: str, **request: Any) -> Any:
        """Ask anything; return the JSON of the answer, None when it has no body."""
        try:
            answer = self._client.request(way, path, **request)
        except httpx.TransportError as error:
            raise _unanswered(self._client.base_url, error) from error
        return _body(answer)

    def do(self, call: Call[T], /) -> T:
        """Ask what a verb says."""
        return call.read(self.call(call.way, call.path, **call.request))

    def each(self, pages: Pages[T]) -> Iterator[T]:
        """Read a list, page by page."""
        asking = pages.calls()
        call = next(asking, None)
        while call is not None:
            body = self.do(call)
            yield from body["items"]
            call = _next(asking, body)

    def wait_job(
        self,
        job: int | str,
        *,
        timeout_seconds: float = 600.0,
        look_seconds: float = 0.5,
    ) -> shapes.Job:
        """Wait until a job is over, and return it; TimeoutError after so long."""
        until = time.monotonic() + timeout_seconds
        body = self.job(job)
        while body["state"] in UNDER_WAY:
            if time.monotonic() > until:
                raise TimeoutError(f"job {job} is {body['state']} still")
            time.sleep(look_seconds)
            body = self.job(job)
        return body

    def live(
        self, *, last_event_id: str | None = None, **filters: Any
    ) -> Iterator[Happening]:
        """Hear what happens, for ever; after a break it goes on without a hole."""
        return happenings_blocking(self._client, LIVE, filters, last_event_id)

    def signals(self, **wish: Any) -> Iterator[Happening]:
        """Look at what devices send: all of a `profile`, or each `device` named."""
        return happenings_blocking(self._client, SIGNALS, wish)


def _headers(key: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


def _body(answer: httpx.Response) -> Any:
    raise_for_problem(answer)
    return answer.json() if answer.content else None


def _unanswered(url: httpx.URL, error: Exception) -> Unavailable:
    return Unavailable(f"no answer from {url}: {error!r}")


def _next(asking: Any, body: Any) -> Call[Any] | None:
    try:
        call: Call[Any] = asking.send(body)
    except StopIteration:
        return None
    return call
