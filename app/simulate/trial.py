"""The fault catalogue against a running service: devices stream, and are judged."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.errors import OnsetError, Unavailable
from app.simulate.catalogue import (
    CATALOGUE,
    CHANNELS,
    RATE_HZ,
    Case,
    Seen,
    recording,
)
from app.simulate.faults import plan
from app.simulate.operator import Operator
from app.simulate.plan import boot_of
from app.simulate.player import CHUNK_SECONDS, MAX_CHUNK_READINGS, Device, Line
from app.simulate.recording import Recording, safe_name
from app.simulate.site import Site

PROFILE = "fault-catalogue"
SPEED = 30.0
"""Times life: the 90 seconds of a case in three."""
PLAY_SECONDS = 120.0
"""In which all must have been played."""
JOB_SECONDS = 300.0
LOOK_SECONDS = 0.2
BACK_SECONDS = 3600.0
"""So long ago the readings were taken: fast as they are played, none is of tomorrow."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A case, and what was not as expected."""

    case: Case
    problems: tuple[str, ...]


async def run(
    url: str, key: str, cases: Sequence[Case] = CATALOGUE, speed: float = SPEED
) -> list[Outcome]:
    """Play every case, and hold what came of it against what must.

    Parameters
    ----------
    url, key : str
        The service, and a key of an operator or admin.
    cases : sequence of Case, the healthy one first

    Raises
    ------
    OnsetError
        If the service refuses a device, or cannot be reached.
    """
    async with Site(url, key) as site:
        await site.put_profile(PROFILE, _profile())
        line = Line(url, speed, uuid.uuid4().hex[:8])
        start = float(int(time.time() - BACK_SECONDS))
        played = [recording(f"fault-{safe_name(case.name)}") for case in cases]
        keys = [await _registered(site, one.device) for one in played]
        try:
            async with asyncio.timeout(PLAY_SECONDS), asyncio.TaskGroup() as group:
                for case, one, secret in zip(cases, played, keys, strict=True):
                    group.create_task(
                        _play(site, case, one, secret["key"], line, start)
                    )
        except TimeoutError:
            raise Unavailable(f"not played within {PLAY_SECONDS:g} s") from None
        finally:
            for made in keys:
                with contextlib.suppress(OnsetError):
                    await site.call("DELETE", f"/keys/{made['id']}")
        differences = await _verified(site)
        seen = [
            await _seen(site, case, one, line, start, differences)
            for case, one in zip(cases, played, strict=True)
        ]
    return [
        Outcome(case, tuple(case.judge(one, seen[0])))
        for case, one in zip(cases, seen, strict=True)
    ]


def _profile() -> dict[str, Any]:
    return {
        "channels": [{"name": name} for name in CHANNELS],
        "rate_hz": RATE_HZ,
        "record": True,
    }


async def _registered(site: Site, device: str) -> Any:
    await site.put_device(device, PROFILE)
    return await site.call("POST", f"/devices/{device}/keys", json={})


async def _play(
    site: Site, case: Case, one: Recording, secret: str, line: Line, start: float
) -> None:
    spoilt = Line(line.url, line.speed, line.run, lambda _: case.faults)
    nobody = Operator(site, lambda _: False, share=0.0)
    await Device(one.device, secret, spoilt, start, nobody).play([one])


async def _verified(site: Site) -> dict[tuple[str, str], list[str]]:
    """Let the service find everything again; what differs, by device and boot."""
    job = await site.call("POST", "/verify", json={"profile": PROFILE})
    deadline = time.monotonic() + JOB_SECONDS
    while job["state"] in ("queued", "running"):
        if time.monotonic() > deadline:
            raise Unavailable(f"job {job['id']} has not ended in {JOB_SECONDS:g} s")
        await asyncio.sleep(LOOK_SECONDS)
        job = await site.call("GET", f"/jobs/{job['id']}")
    if job["result"] is None:
        raise Unavailable(f"job {job['id']}: {job['state']}, {job['error']}")
    told: dict[tuple[str, str], list[str]] = {}
    for one in job["result"]["differences"]:
        told.setdefault((one["device"], one["boot"]), []).append(one["why"])
    return told


async def _seen(
    site: Site,
    case: Case,
    one: Recording,
    line: Line,
    start: float,
    differences: dict[tuple[str, str], list[str]],
) -> Seen:
    boot = boot_of(one, line.run)
    chunk = min(CHUNK_SECONDS * line.speed, MAX_CHUNK_READINGS / one.rate_hz)
    script = plan(one, case.faults, chunk)
    mine = [
        event async for event in site.events(device=one.device) if event["boot"] == boot
    ]
    asked = {"boot": boot, "first_seq": 1, "next_seq": len(one.t) + 1}
    path = f"/devices/{one.device}/readings"
    found = await site.call("GET", path, params=asked)
    return Seen(
        one,
        script,
        start + (script.clock - one.t[0]),
        sorted(mine, key=lambda event: event["onset_seq"]),
        found["pieces"],
        differences.get((one.device, boot), ()),
    )
