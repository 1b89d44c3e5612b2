"""The line that `onset up` shows while it runs: what the service says of itself."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Mapping
from typing import Any

import httpx

TIMEOUT_SECONDS = 5.0
_SAMPLE = re.compile(r"^(\w+)(?:\{[^}]*\})? ([0-9.eE+-]+|NaN)$", re.MULTILINE)


class Board:
    """Asks a running service how it is doing.

    Parameters
    ----------
    url : str
        Where the service answers.
    key : str or None
        A viewer's key or better; None is enough to ask whether it is ready.
    """

    def __init__(self, url: str, key: str | None = None) -> None:
        self._client = httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
        )
        self._readings = 0.0
        self._at = time.monotonic()

    async def ready(self) -> bool:
        """Whether the service takes work."""
        with contextlib.suppress(httpx.HTTPError):
            return (await self._client.get("/health/ready")).is_success
        return False

    async def stored(self) -> bool:
        """Whether this service has stored an event since it started."""
        with contextlib.suppress(httpx.HTTPError):
            counted = counters((await self._client.get("/metrics")).text)
            return counted.get("onset_events_stored_total", 0.0) > 0
        return False

    async def line(self) -> str | None:
        """Say in one line how it goes; None while the service does not answer."""
        try:
            metrics = await self._client.get("/metrics")
            profiles = (await self._client.get("/profiles")).json()["items"]
            states = {
                p["name"]: (
                    await self._client.get(f"/profiles/{p['name']}/status")
                ).json()
                for p in profiles
            }
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return None
        readings = counters(metrics.text).get("onset_readings_total", 0.0)
        now = time.monotonic()
        rate = max(readings - self._readings, 0.0) / max(now - self._at, 1e-3)
        self._readings, self._at = readings, now
        return describe(states, rate)

    async def close(self) -> None:
        """Let the connections go."""
        await self._client.aclose()


def counters(metrics: str) -> dict[str, float]:
    r"""Sum the samples of Prometheus text over their labels.

    Examples
    --------
    >>> counters('# HELP x\nx_total{a="1"} 2\nx_total{a="2"} 3\n')
    {'x_total': 5.0}
    """
    sums: dict[str, float] = {}
    for name, value in _SAMPLE.findall(metrics):
        sums[name] = sums.get(name, 0.0) + float(value)
    return sums


def describe(states: Mapping[str, Mapping[str, Any]], rate: float) -> str:
    """Put the state of the profiles in one line.

    Parameters
    ----------
    states : mapping
        Answer of ``GET /profiles/{name}/status`` by profile; idle ones are left out.
    rate : float, readings per second

    Examples
    --------
    >>> accuracy = [{"model_version": 3, "accuracy": 0.9, "n": 100}]
    >>> watch = {"devices_connected": 2, "events": 7, "unlabelled": 1,
    ...          "champion": {"version": 3}, "accuracy": accuracy}
    >>> describe({"watch": watch}, 200.0)
    '200 readings/s | watch: 2 devices, 7 events, 1 unlabelled, champion v3, v3 90 %'
    """
    pieces = [f"{rate:,.0f} readings/s"]
    for name, state in states.items():
        if not (state.get("events") or state.get("devices_connected")):
            continue
        champion = state.get("champion")
        words = [
            f"{name}: {state['devices_connected']} devices",
            f"{state['events']} events",
            f"{state['unlabelled']} unlabelled",
            f"champion v{champion['version']}" if champion else "no champion yet",
        ]
        words += [
            f"v{said['model_version']} {said['accuracy']:.0%}".replace("%", " %")
            for said in (state.get("accuracy") or [])[-3:]
        ]
        pieces.append(", ".join(words))
    return " | ".join(pieces)
