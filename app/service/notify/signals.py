"""The newest readings of many devices, for people who look at them.

    readings --> gathered for TICK_SECONDS --> a block a device, written once
             --> joined, once for all viewers of one wish --> each viewer's queue

A viewer that falls `QUEUE_FRAMES` behind gets none until it asks again, and is told how
many it has missed; nobody waits for it, and while nobody else looks nothing is
gathered.  What comes faster than can be drawn is folded: the least and the greatest
value of each channel in so many readings.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
import numpy as np

from app.domain import Float32Array, FloatArray, Profile, Readings
from app.domain.reach import EVERYTHING, Reach
from app.service.notify.hub import Bell, Hub, Message, Turns

TICK_SECONDS = 0.1
QUEUE_FRAMES = 20
"""Two seconds: what is older is of no worth to somebody who looks."""
MOST_DRAWN_HZ = 200.0
"""Faster streams are folded: a picture of ten seconds has no more pixels."""
MOST_ROWS = 2000
"""Of one device in one frame; of a burst the newest are shown."""
DIGITS = 7
"""Significant digits: as many as float32 always keeps."""


class StreamLike(Protocol):
    """What is said of the stream that readings belong to."""

    device: str
    boot: str
    profile: Profile


@dataclass(frozen=True, slots=True)
class Wish:
    """Whose readings a viewer wants: of all devices of a profile, or of those named.

    Of a profile it gets those that its key reaches.
    """

    profile: str | None = None
    devices: tuple[str, ...] = ()
    reach: Reach = EVERYTHING

    @property
    def topics(self) -> tuple[str, ...]:
        """The hub's topics."""
        if self.profile is not None:
            return (f"signals:{self.profile}",)
        return tuple(f"signal:{device}" for device in self.devices)


class Viewer:
    """The frames of one viewer, until it falls behind."""

    def __init__(self, turns: Turns, back: Callable[[Viewer], None]) -> None:
        self._queue: deque[bytes] = deque()
        self._bell = Bell(turns)
        self._back = back
        self._missed = 0
        self._behind_since: float | None = None

    def put(self, frame: bytes) -> bool:
        """Add a frame; False if the viewer wants no more until it is back."""
        if len(self._queue) >= QUEUE_FRAMES:
            self._missed = len(self._queue) + 1
            self._queue.clear()
            self._behind_since = asyncio.get_running_loop().time()
            return False
        self._queue.append(frame)
        self._bell.ring()
        return True

    def __aiter__(self) -> AsyncIterator[bytes | int]:
        return self

    async def __anext__(self) -> bytes | int:
        """Return the next frame, or about how many were left out before it."""
        while self._behind_since is None:
            if self._queue:
                return self._queue.popleft()
            await self._bell.wait()
        away = asyncio.get_running_loop().time() - self._behind_since
        self._behind_since = None
        self._back(self)
        return self._missed + round(away / TICK_SECONDS)


class Signals:
    """Hands the readings that this process receives to whoever looks at them."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._viewers: dict[Wish, set[Viewer]] = {}
        self._pending: dict[str, list[Message]] = {}
        self._last: Message | None = None
        self._tick: asyncio.TimerHandle | None = None

    @contextmanager
    def watch(self, wish: Wish) -> Iterator[Viewer]:
        """Look for as long as the context lasts."""
        viewer = Viewer(self._hub.turns, lambda back: self._enter(wish, back))
        self._enter(wish, viewer)
        try:
            yield viewer
        finally:
            self._leave(wish, viewer)

    def _enter(self, wish: Wish, viewer: Viewer) -> None:
        if wish not in self._viewers:
            for topic in wish.topics:
                self._hub.attach(topic, self)
        self._viewers.setdefault(wish, set()).add(viewer)

    def _leave(self, wish: Wish, viewer: Viewer) -> None:
        rest = self._viewers.get(wish)
        if rest is None:  # it fell behind, and nobody else looks
            return
        rest.discard(viewer)
        if not rest:
            del self._viewers[wish]
            kept = {topic for one in self._viewers for topic in one.topics}
            for topic in set(wish.topics) - kept:
                self._hub.detach(topic, self)

    def put(self, message: Message) -> None:
        """Gather the readings of a message; the hub calls it once for each topic."""
        if message is self._last:
            return
        self._last = message
        stream, _ = message.data
        self._pending.setdefault(stream.device, []).append(message)
        if self._tick is None:
            loop = asyncio.get_running_loop()
            self._tick = loop.call_later(TICK_SECONDS, self.flush)

    def flush(self) -> None:
        """Write what was gathered, and hand it to all viewers."""
        if self._tick is not None:
            self._tick.cancel()
        self._tick = self._last = None
        gathered, self._pending = self._pending, {}
        blocks: dict[str, list[bytes]] = {}
        of_profile: dict[str, dict[str, list[bytes]]] = {}
        for device, messages in gathered.items():
            for stream, readings in _runs(messages):
                written = write(stream, readings)
                blocks.setdefault(device, []).append(written)
                here = of_profile.setdefault(stream.profile.name, {})
                here.setdefault(device, []).append(written)
        for wish, viewers in tuple(self._viewers.items()):
            if wish.profile is not None:
                named = of_profile.get(wish.profile, {})
                wanted = [one for one in named if wish.reach.device(one)]
            else:
                named, wanted = blocks, list(wish.devices)
            found = [one for device in wanted for one in named.get(device, ())]
            if found:
                frame = b'event: signals\ndata: {"blocks":[%b]}\n\n' % b",".join(found)
                for viewer in tuple(viewers):
                    if not viewer.put(frame):
                        self._leave(wish, viewer)


def _runs(messages: list[Message]) -> Iterator[tuple[StreamLike, Readings]]:
    """Join readings that follow one another."""
    run: list[Readings] = []
    owner: Any = None
    for message in messages:
        stream, readings = message.data
        if run and (stream is not owner or readings.first_seq != run[-1].next_seq):
            yield owner, _joined(run)
            run = []
        owner = stream
        run.append(readings)
    if run:
        yield owner, _joined(run)


def _joined(run: list[Readings]) -> Readings:
    if len(run) == 1:
        return run[0]
    values = np.concatenate([one.values for one in run])
    return Readings(run[0].first_seq, values, np.concatenate([r.times for r in run]))


def write(stream: StreamLike, readings: Readings) -> bytes:
    """Write consecutive readings of a stream as JSON.

    `values` has a row for each reading; of a stream that is faster than `MOST_DRAWN_HZ`
    `low` and `high` have one for every `step` readings, the first of them those from
    `first_seq` on, which is a multiple of `step`.  A group that the next frame goes on
    with is said again there, with the rest of it.
    """
    step = max(1, math.ceil(stream.profile.rate_hz / MOST_DRAWN_HZ))
    said: dict[str, Any] = {
        "device": stream.device,
        "boot": stream.boot,
        "profile": stream.profile.name,
        "rate_hz": stream.profile.rate_hz,
    }
    newest = step * MOST_ROWS
    first, values = readings.first_seq, readings.values
    if len(values) > newest:
        first, values = first + len(values) - newest, values[-newest:]
    if step == 1:
        said |= {"first_seq": first, "values": shortened(values).tolist()}
    else:
        groups, low, high = fold(first, values, step)
        said |= {"first_seq": groups * step, "step": step}
        said |= {"low": shortened(low).tolist(), "high": shortened(high).tolist()}
    return msgspec.json.encode(said)


def fold(
    first_seq: int, values: Float32Array, step: int
) -> tuple[int, Float32Array, Float32Array]:
    """Return the least and greatest value of each channel in groups of readings.

    Parameters
    ----------
    values : float32 array (n_readings >= 1, n_channels)
    step : int >= 1
        A group is ``[k * step, (k + 1) * step)`` in numbers of readings, so that groups
        are the same however the stream is cut.

    Returns
    -------
    tuple
        Number `k` of the first group; least and greatest values (n_groups, n_channels),
        NaN where a group has none.

    Examples
    --------
    >>> fold(3, np.array([[1.0], [5.0], [2.0]], np.float32), 4)[0]
    0
    """
    group = first_seq // step
    cuts = np.arange((group + 1) * step - first_seq, len(values), step)
    starts = np.concatenate([[0], cuts]).astype(np.intp)
    finite = np.where(np.isfinite(values), values, np.float32(np.nan))
    low = np.fmin.reduceat(finite, starts, axis=0)
    return group, low, np.fmax.reduceat(finite, starts, axis=0)


def shortened(values: Float32Array) -> FloatArray:
    """Round to `DIGITS` significant digits, so that as few are written.

    Examples
    --------
    >>> shortened(np.array([0.1, -1234.5678, 0.0, np.nan], np.float32)).tolist()
    [0.1, -1234.568, 0.0, nan]
    """
    exact = values.astype(np.float64)
    with np.errstate(all="ignore"):
        scale = 10.0 ** (DIGITS - 1 - np.floor(np.log10(np.abs(exact))))
        rounded = np.rint(exact * scale) / scale
    return np.where(np.isfinite(rounded), rounded, exact)
