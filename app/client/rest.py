"""Everybody else's way to a service: its REST interface, asked asynchronously.

    async with Onset("http://127.0.0.1:8000", key) as onset:
        async for event in onset.events(profile="arm-band", labelled=False):
            print(event["id"], event["prediction"])

Bodies are the JSON of the REST interface, as documented there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias
from urllib.parse import quote

import httpx
import numpy as np

from app.client.address import is_loopback
from app.client.live import Happening, happenings
from app.client.problems import raise_for_problem
from app.domain import Float32Array
from app.errors import Unavailable

Body: TypeAlias = dict[str, Any]
Way: TypeAlias = Literal["GET", "PUT", "POST", "DELETE"]

UNDER_WAY = ("queued", "running")


class Onset:
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
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=timeout_seconds,
            transport=transport,
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
            raise Unavailable(
                f"no answer from {self._client.base_url}: {error!r}"
            ) from (error)
        raise_for_problem(answer)
        return answer.json() if answer.content else None

    async def put_profile(self, name: str, profile: Mapping[str, Any]) -> Body:
        """Declare a kind of device: at least `channels` and `rate_hz`."""
        return await self._body("PUT", f"/profiles/{_part(name)}", json=profile)

    async def put_device(self, device: str, profile: str) -> Body:
        """Register a device."""
        return await self._body(
            "PUT", f"/devices/{_part(device)}", json={"profile": profile}
        )

    async def device_key(self, device: str) -> str:
        """Make a key for a device; the service shows it this once."""
        body = await self._body("POST", f"/devices/{_part(device)}/keys", json={})
        return str(body["key"])

    def events(self, *, page: int = 200, **filters: Any) -> AsyncIterator[Body]:
        """Read all events that the filters of ``GET /events`` let through."""
        return self._items("/events", page, filters)

    async def event(self, event: str) -> Body:
        """Read one event with its predictions and labels."""
        return await self._body("GET", f"/events/{event}")

    async def window(self, event: str) -> Float32Array:
        """Read the raw readings of an event: float32 (n_readings, n_channels)."""
        body = await self._body("GET", f"/events/{event}/window")
        return np.array(body["values"], dtype=np.float32)

    async def label(self, event: str, label: str) -> Body:
        """Say what an event is."""
        return await self._body(
            "POST", f"/events/{event}/labels", json={"label": label}
        )

    async def labels(self, labels: Mapping[str, str]) -> int:
        """Say what many events are, all or none; return how many were accepted."""
        rows = [{"event": event, "label": label} for event, label in labels.items()]
        body = await self._body("POST", "/labels", json={"labels": rows})
        return int(body["accepted"])

    async def retrain(self, profile: str, **how: Any) -> Body:
        """Ask for a retraining; return the job, the running one if there is one."""
        return await self._body("POST", "/retrain", json={"profile": profile, **how})

    async def job(self, job: int | str) -> Body:
        """Read how a job stands."""
        return await self._body("GET", f"/jobs/{job}")

    async def wait_job(
        self,
        job: int | str,
        *,
        timeout_seconds: float = 600.0,
        look_seconds: float = 0.5,
    ) -> Body:
        """Wait until a job is over, and return it; TimeoutError after so long."""
        async with asyncio.timeout(timeout_seconds):
            body = await self.job(job)
            while body["state"] in UNDER_WAY:
                await asyncio.sleep(look_seconds)
                body = await self.job(job)
        return body

    def models(self, profile: str, *, page: int = 50) -> AsyncIterator[Body]:
        """Read the model versions of a profile."""
        return self._items("/models", page, {"profile": profile})

    async def promote(
        self, version: int, reason: str, *, expected: int | None = None
    ) -> Body:
        """Make a version the champion; ChampionMoved if `expected` is not it now."""
        asked: Body = {"reason": reason}
        if expected is not None:
            asked["expected"] = expected
        return await self._body("POST", f"/models/{version}/promote", json=asked)

    async def rollback(self, profile: str, reason: str) -> Body:
        """Make the champion before the present one the champion again."""
        return await self._body(
            "POST", f"/profiles/{_part(profile)}/rollback", json={"reason": reason}
        )

    async def history(self, profile: str, at: str | None = None) -> Body:
        """Read which version served when, or which one at a time (RFC 3339)."""
        return await self._body(
            "GET",
            f"/profiles/{_part(profile)}/history",
            params={} if at is None else {"at": at},
        )

    async def classify(
        self, profile: str, windows: Sequence[Any], **more: Any
    ) -> list[Body]:
        """Ask what the champion (or `model_version`) says of windows.

        Parameters
        ----------
        windows : sequence of (n_readings, n_channels), arrays or nested lists
        """
        rows = [np.asarray(w, dtype=np.float32).tolist() for w in windows]
        asked = {"profile": profile, "windows": rows, **more}
        body = await self._body("POST", "/classify", json=asked)
        return list(body["predictions"])

    async def import_events(
        self, content: bytes, content_type: str = "application/x-ndjson"
    ) -> Body:
        """Hand over history to begin from, as NDJSON or Parquet."""
        return await self._body(
            "POST",
            "/events/import",
            content=content,
            headers={"Content-Type": content_type},
        )

    def live(
        self, *, last_event_id: str | None = None, **filters: Any
    ) -> AsyncIterator[Happening]:
        """Hear what happens, for ever; after a break it goes on without a hole."""
        return happenings(self._client, filters, last_event_id)

    async def _body(self, way: Way, path: str, **request: Any) -> Body:
        body: Body = await self.call(way, path, **request)
        return body

    async def _items(
        self, path: str, page: int, filters: Mapping[str, Any]
    ) -> AsyncIterator[Body]:
        params = {name: value for name, value in filters.items() if value is not None}
        params["limit"] = page
        while True:
            body = await self._body("GET", path, params=params)
            for item in body["items"]:
                yield item
            if not body["next_cursor"]:
                return
            params["cursor"] = body["next_cursor"]


def _part(name: str) -> str:
    return quote(name, safe="")
