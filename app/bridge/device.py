"""One device of a bridge: its messages in order, its stream, and what is durable."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import uuid4

from app.bridge.counts import AGAIN, GIVEN_UP, MALFORMED, REFUSED, TAKEN, Counts
from app.bridge.payloads import Said
from app.client import DeviceStream
from app.errors import InvalidReadings, OnsetError

log = logging.getLogger("onset.bridge")

MOST_WAITING = 4096
"""Messages of one device that wait for its stream; the oldest give way.

More than a broker delivers without an acknowledgement: mosquitto stops at 20 at first,
but was seen to deliver all of its 1000 once some of them were acknowledged.
"""
REFUSED_SECONDS = 30.0
"""How long a device that the service refuses is not tried again."""
NUMBERED = "mqtt"
"""The boot of a device that numbers its readings and never says `hello`."""
UNSEEN = "not received over MQTT"


@dataclass(slots=True, eq=False)
class Held:
    """A message that the broker wants acknowledged.

    Parameters
    ----------
    number : int
        The broker's, of this session.
    session : int
        Counts connections to the broker.
    said_at : float, monotonic seconds
    print : int
        Of topic and payload: the same message again has the same.
    """

    number: int
    session: int
    said_at: float
    print: int
    done: bool = False


Open = Callable[[str, str], Awaitable[DeviceStream]]
"""Opens the stream of a device and a boot."""


class Device:
    """Takes what one device says, and says which of it is durable.

    Parameters
    ----------
    name : str
    open_stream : callable
    done : callable
        Told each message that need not be delivered again.
    counts : Counts
    """

    def __init__(
        self,
        name: str,
        open_stream: Open,
        done: Callable[[Held], None],
        counts: Counts,
    ) -> None:
        self.name = name
        self._open = open_stream
        self._done = done
        self._counts = counts
        self._waiting: deque[tuple[Said, Held | None]] = deque()
        self._durable_at: deque[tuple[int, Held]] = deque()
        self._work = asyncio.Event()
        self._settled = asyncio.Event()
        self._stream: DeviceStream | None = None
        self._n_channels = 0
        self._boot: str | None = None
        self._refused = False
        self.heard_at = asyncio.get_running_loop().time()

    @property
    def idle(self) -> bool:
        """Whether nothing of it waits for anything."""
        return not self._waiting and not self._durable_at

    def take(self, said: Said, held: Held | None) -> None:
        """Take a message; the oldest that waits gives way where there is no room."""
        self.heard_at = asyncio.get_running_loop().time()
        if self._refused:
            self._release(held, REFUSED)
            return
        self._waiting.append((said, held))
        if len(self._waiting) > MOST_WAITING:
            self._release(self._waiting.popleft()[1], GIVEN_UP)
        self._work.set()

    async def run(self) -> None:
        """Feed the stream for ever; cancel to stop, which ends nothing."""
        try:
            while True:
                try:
                    await self._feed()
                except OnsetError as error:
                    log.warning("device %s is refused: %s", self.name, error)
                    await self._refuse()
        finally:
            await self._let_go()

    async def _feed(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            settling = tasks.create_task(self._settle())
            try:
                while True:
                    while not self._waiting:
                        self._work.clear()
                        await self._work.wait()
                    said, held = self._waiting[0]
                    await self._give(said, held)
                    if self._waiting and self._waiting[0][0] is said:
                        self._waiting.popleft()
            except OnsetError as error:
                settling.cancel()
                fault = error
        raise fault

    async def _give(self, said: Said, held: Held | None) -> None:
        stream = await self._stream_of(said)
        outcome, last = TAKEN, stream.next_seq - 1
        if said.type == "end":
            await stream.end()
            await self._let_go()
            self._boot = None  # what comes after it is another stream
        elif said.type == "skip":
            if said.to is not None and said.to > stream.next_seq:
                stream.skip(said.to - stream.next_seq, said.why)
        elif said.type == "readings":
            try:
                values, times = said.readings(self._n_channels)
            except InvalidReadings as error:
                log.warning("device %s: %s", self.name, error)
                self._release(held, MALFORMED)
                return
            known = 0
            if said.seq is not None:
                if said.seq > stream.next_seq:
                    stream.skip(said.seq - stream.next_seq, UNSEEN)
                known = stream.next_seq - said.seq
                last = said.seq + len(values) - 1
            if known < len(values):
                if times is not None and len(times) == len(values):
                    times = times[known:]
                elif known:
                    times = None
                given = None if times is None else times.tolist()
                await stream.send(values[known:], time=given)
                last = stream.next_seq - 1
                self._counts.readings.inc(len(values) - known)
            else:
                outcome = AGAIN
        self._counts.count(outcome)
        if held is not None:
            self._durable_at.append((last, held))
            self._settled.set()

    async def _stream_of(self, said: Said) -> DeviceStream:
        """Return the stream that a message belongs to, opened if it is not."""
        boot = said.boot or self._boot
        if boot is None:
            boot = NUMBERED if said.seq is not None else uuid4().hex
        if self._stream is not None and boot != self._boot:
            await self._stream.end()  # its counter began anew: what was open is over
            await self._let_go()
        if self._stream is None:
            self._boot = boot
            self._stream = await self._open(self.name, boot)
            self._n_channels = len((await self._stream.welcome()).channels)
        return self._stream

    async def _settle(self) -> None:
        """Tell what has become durable, in order."""
        while True:
            while not self._durable_at:
                self._settled.clear()
                await self._settled.wait()
            last, held = self._durable_at[0]
            if self._stream is not None:
                try:
                    await self._stream.durable(last)
                except OnsetError:
                    return  # the feeding meets it, too
            self._durable_at.popleft()
            held.done = True
            self._done(held)

    async def _refuse(self) -> None:
        """Release everything, and wait before the service is asked again."""
        self._refused = True
        for _, held in self._waiting:
            self._release(held, REFUSED)
        for _, held in self._durable_at:
            self._release(held, REFUSED)
        self._waiting.clear()
        self._durable_at.clear()
        await self._let_go()
        await asyncio.sleep(REFUSED_SECONDS)
        self._refused = False

    def _release(self, held: Held | None, outcome: str) -> None:
        self._counts.count(outcome)
        if held is not None:
            held.done = True
            self._done(held)

    async def _let_go(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            with contextlib.suppress(OnsetError):
                await stream.close()
