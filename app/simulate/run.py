"""One run: devices play, a person labels, and at the end there is a table.

declare -> stage 1 (with labels) -> labels in, trainer idle -> stage 2 -> table
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from app.errors import OnsetError
from app.simulate.operator import Operator
from app.simulate.plan import boot_of, first_time
from app.simulate.player import Device, Line
from app.simulate.recording import Recording
from app.simulate.report import Played, found_of
from app.simulate.site import Site
from app.simulate.sources import Source

IDLE_SECONDS = 8.0
"""Without a running training for so long after the last label, the trainer has seen
everything: above its cooldown (5 s) and its poll (2 s)."""
LONGEST_WAIT_SECONDS = 180.0
LOOK_SECONDS = 0.5
UNDER_WAY = ("queued", "running")
ENDLESS_PARTS = 3
"""Parts of a device that the person remembers when there is no end to them."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be played where, and what the person does.

    Parameters
    ----------
    key : str
        An operator's key or better.
    share : float, 0..1
        Of events that the person labels.
    delay_seconds : float >= 0
        Between an event's end and its label.
    start : float or None
        Time of the first reading, seconds since the epoch; None: see `first_time`.
    wait : bool
        Whether the trainer may catch up between stages.
    """

    source: Source
    line: Line
    key: str
    share: float = 1.0
    delay_seconds: float = 3.0
    start: float | None = None
    wait: bool = True


class Run:
    """Carries out a wish; `say` hears how it goes."""

    def __init__(self, wish: Wish, say: Callable[[str], None]) -> None:
        self._wish = wish
        self._say = say
        self._keys: list[str] = []

    async def play(self) -> list[Played]:
        """Play everything; return what was played and what was found.

        Raises
        ------
        OnsetError
            If the service refuses a device, a label or a profile.
        """
        wish = self._wish
        async with Site(wish.line.url, wish.key) as site:
            operator = Operator(
                site,
                self._labelled,
                share=wish.share,
                delay_seconds=wish.delay_seconds,
                kept_parts=ENDLESS_PARTS if wish.source.endless else None,
            )
            await self._declare(site)
            try:
                await self._play(site, operator)
            except ExceptionGroup as failed:
                refused, others = failed.split(OnsetError)
                if refused is None or others is not None:
                    raise
                raise _first(refused) from None
            finally:
                await self._forget_keys(site)
            return [] if wish.source.endless else await self._collect(site)

    def _labelled(self, recording: Recording) -> bool:
        wish = self._wish
        return (
            wish.share > 0 and bool(recording.truth) and wish.source.labels(recording)
        )

    async def _declare(self, site: Site) -> None:
        """Declare the profile, unless somebody did; theirs stays as it is."""
        name = self._wish.source.profile
        listed = await site.call("GET", "/profiles")
        if all(p["name"] != name for p in listed["items"]):
            await site.put_profile(name, self._wish.source.body)

    async def _play(self, site: Site, operator: Operator) -> None:
        devices: dict[str, Device] = {}
        async with asyncio.TaskGroup() as group:
            labelling = group.create_task(operator.run())
            for number, stage in enumerate(self._wish.source.stages):
                self._say(
                    f"stage {number + 1} of {len(self._wish.source.stages)}: "
                    f"{len(stage)} devices play"
                )
                for name in stage:
                    if name not in devices:
                        devices[name] = await self._register(site, operator, name)
                async with asyncio.TaskGroup() as playing:
                    for name, recordings in stage.items():
                        playing.create_task(devices[name].play(recordings))
                await operator.settle()
                if number + 1 < len(self._wish.source.stages) and self._wish.wait:
                    await self._trainer_idle(site, operator)
            labelling.cancel()

    async def _register(self, site: Site, operator: Operator, name: str) -> Device:
        wish = self._wish
        await site.put_device(name, wish.source.profile)
        key = await site.call("POST", f"/devices/{name}/keys", json={})
        self._keys.append(key["id"])
        start = wish.start
        if start is None and wish.source.endless:
            start = time.time()
        elif start is None:
            parts = [r for stage in wish.source.stages for r in stage.get(name, ())]
            asked = {"device": name, "limit": 1}
            page = await site.call("GET", "/events", params=asked)
            start = first_time(parts, wish.line.run, page["items"], time.time())
        return Device(name, key["key"], wish.line, start, operator)

    async def _forget_keys(self, site: Site) -> None:
        """Take the devices' keys back, if ours may do that and the service is there."""
        with contextlib.suppress(OnsetError, TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS * 4):
                for key in self._keys:
                    await site.call("DELETE", f"/keys/{key}")

    async def _trainer_idle(self, site: Site, operator: Operator) -> None:
        """Wait until what was labelled has been learnt."""
        if not operator.labelled:
            return
        self._say(f"{operator.labelled} events labelled; the trainer catches up")
        quiet_since = began = time.monotonic()
        asked = {"profile": self._wish.source.profile, "limit": 1}
        while (now := time.monotonic()) < began + LONGEST_WAIT_SECONDS:
            jobs = await site.call("GET", "/jobs", params=asked)
            if any(job["state"] in UNDER_WAY for job in jobs["items"]):
                quiet_since = now
            if now - quiet_since >= IDLE_SECONDS:
                return
            await asyncio.sleep(LOOK_SECONDS)
        self._say("the trainer is still busy; going on without it")

    async def _collect(self, site: Site) -> list[Played]:
        wish, played = self._wish, []
        parts = [r for s in wish.source.stages for some in s.values() for r in some]
        for device in dict.fromkeys(part.device for part in parts):
            events = [event async for event in site.events(device=device)]
            for part in (p for p in parts if p.device == device):
                boot = boot_of(part, wish.line.run)
                found = [found_of(e, part) for e in events if e["boot"] == boot]
                played.append(Played(part, tuple(found), self._labelled(part)))
        return played


def _first(failed: Exception) -> Exception:
    """Return the first fault of task groups within task groups."""
    while isinstance(failed, ExceptionGroup):
        failed = failed.exceptions[0]
    return failed
