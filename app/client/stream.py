"""A device's stream: numbered, kept until durable, resumed whatever happens.

    async with DeviceStream("http://127.0.0.1:8000", "band-7", key) as stream:
        await stream.send([0.1, 0.2, 0.3], time=time.time())

`examples/device.py` is a whole device.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Literal, Self
from uuid import uuid4

from numpy.typing import ArrayLike

from app.client.address import socket_url
from app.client.buffer import Buffer
from app.client.inbox import Heard, Inbox
from app.client.journal import FileJournal
from app.client.link import Destination, Link
from app.client.pieces import clock, matrix
from app.errors import Conflict, InvalidInput, Unavailable
from app.wire import messages

GOODBYE_SECONDS = 3.0
"""How long `end` waits for the server's close after everything is acknowledged."""


class DeviceStream:
    """One device's stream to an Onset service; an async context manager.

    Reconnects by itself, with back-off, and resends what is not durable.  Leaving the
    context ends the stream and waits until everything is durable; with a `path` it
    just closes, as the next run goes on where this one stopped.

    Parameters
    ----------
    url : str
        Of the service: ``http://host:port``; https becomes wss.
    device, key : str
        The registered device and its key.
    profile : str or None
        Another profile than the registered one.
    boot : str or None
        What the numbers count from; None makes one up, or takes the one in `path`.
    path : Path or None
        A file that keeps readings beyond the end of the process; None: memory.
    capacity : int > 0, readings
        Most that are kept.
    overflow : {"wait", "drop_oldest"}
        What `send` does when there is no room: wait, which suits a source that can
        pause, and also obeys the server's window; or give up the oldest readings and
        tell the server so, which suits a sensor.
    subprotocol : {"onset.v1.msgpack", "onset.v1.json"}
    most_heard : int > 0
        Messages that wait for `async for`; beyond it the oldest give way.
    linger_seconds : float
        How long leaving the context waits until everything is durable.
    on_onset, on_prediction, on_event, on_retract : callable or None
        Called with each such message.
    random : Random or None
        For the jitter of the back-off.

    Raises
    ------
    Superseded, Unauthenticated, Forbidden, NotFound, InvalidInput
        From any method, once connecting again would change nothing.
    """

    def __init__(
        self,
        url: str,
        device: str,
        key: str,
        *,
        profile: str | None = None,
        boot: str | None = None,
        path: Path | None = None,
        capacity: int = 65536,
        overflow: Literal["wait", "drop_oldest"] = "wait",
        subprotocol: str = "onset.v1.msgpack",
        most_heard: int = 1024,
        linger_seconds: float = 30.0,
        on_onset: Callable[[messages.Onset], object] | None = None,
        on_prediction: Callable[[messages.Prediction], object] | None = None,
        on_event: Callable[[messages.Event], object] | None = None,
        on_retract: Callable[[messages.Retract], object] | None = None,
        random: Random | None = None,
    ) -> None:
        if path is not None and boot is not None:
            raise InvalidInput("boot and path: the file has its own boot")
        destination = Destination(socket_url(url, device), key, profile, subprotocol)
        self._journal = None if path is None else FileJournal(path)
        if self._journal is None:
            self._buffer = Buffer(boot or uuid4().hex)
        else:
            self._buffer = self._journal.buffer()
        self._capacity = capacity
        self._waits = overflow == "wait"
        self._linger_seconds = linger_seconds
        self._heard = Inbox(most_heard, on_onset, on_prediction, on_event, on_retract)
        self._link = Link(
            destination,
            self._buffer,
            self._heard.take,
            self._change,
            random or Random(),
        )
        self._n_channels: int | None = None
        self._changed = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def boot(self) -> str:
        """What the numbers count from."""
        return self._buffer.boot

    @property
    def next_seq(self) -> int:
        """The number that the next reading gets."""
        return self._buffer.next_seq

    @property
    def acked(self) -> int:
        """The number of the last reading that is durable."""
        return self._buffer.acked

    @property
    def unacked(self) -> int:
        """Readings that are kept because they are not durable yet."""
        return self._buffer.held

    @property
    def skipped(self) -> int:
        """Readings that were given up, and the server told so."""
        return self._buffer.skipped

    @property
    def connections(self) -> int:
        """How often the server has said welcome."""
        return self._link.connections

    async def __aenter__(self) -> Self:
        self._runner = asyncio.create_task(self._link.run())
        self._runner.add_done_callback(self._over)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None and self._journal is None and not self._closed:
                async with asyncio.timeout(self._linger_seconds):
                    await self.end()
        except TimeoutError:
            raise Unavailable(
                f"{self.unacked} readings of {self.boot!r} are not durable: no "
                f"acknowledgement within {self._linger_seconds:g} s"
            ) from None
        finally:
            await self.close()

    async def welcome(self) -> messages.Welcome:
        """Wait until the server has said where to go on, and return what it said.

        With a boot that the server knows, the first reading sent after this is number
        ``welcome.ack + 1``.
        """
        await self._until(lambda: self._link.welcome is not None)
        if self._link.welcome is None:
            raise Conflict("the stream is closed")
        return self._link.welcome

    async def send(
        self, values: ArrayLike, time: float | Sequence[float] | None = None
    ) -> int:
        """Take readings, and send them as soon as possible.

        Parameters
        ----------
        values : (n_channels,) or (n_readings, n_channels)
            NaN or None where a channel has no value.
        time : float, sequence of float, or None; seconds since the epoch
            Of the first reading, or of each; None: when they arrive.

        Returns
        -------
        int
            The number of the first of them.
        """
        taken = matrix(values, self._n_channels)
        times = clock(time, len(taken))
        self._n_channels = taken.shape[1]
        if self._waits:
            await self._until(lambda: self._has_room(len(taken)))
        self._check()
        first = self._buffer.add(taken, times)
        if not self._waits:
            self._buffer.drop_oldest(self._capacity)
        self._link.wake()
        await asyncio.sleep(0)  # a loop of sends must not keep the line from working
        return first

    def skip(self, n_readings: int, why: str) -> None:
        """Tell the server that so many readings were made but will never come."""
        self._check()
        self._buffer.gap(n_readings, why)
        self._link.wake()

    async def drained(self) -> None:
        """Wait until everything that was sent is durable."""
        await self._until(lambda: self._buffer.empty)

    async def durable(self, seq: int) -> None:
        """Wait until reading `seq`, and everything before it, is durable."""
        await self._until(lambda: self._buffer.acked >= seq)

    async def end(self) -> None:
        """End the stream: an open event is closed; wait until that is durable."""
        self._link.end()
        await self._until(lambda: self._done or self._link.end_durable)
        if not self._done:
            try:
                async with asyncio.timeout(GOODBYE_SECONDS):
                    await self._until(lambda: self._done)
            except TimeoutError:
                return

    async def close(self) -> None:
        """Let go of the line and the file; what is not durable stays in the file."""
        self._closed = True
        if self._runner is not None and not self._runner.done():
            self._runner.cancel()
            await asyncio.wait([self._runner])
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def cut(self) -> None:
        """Break the line without a word; for simulations and tests."""
        self._link.cut()

    def resend(self, seq: int) -> None:
        """Send again what is kept from reading `seq` on; for simulations and tests."""
        self._buffer.rewind(seq)
        self._link.wake()

    async def __aiter__(self) -> AsyncIterator[Heard]:
        """Hear what the server finds, until the stream ends."""
        while True:
            await self._until(lambda: bool(self._heard.waiting) or self._done)
            while self._heard.waiting:
                yield self._heard.waiting.popleft()
            if self._done:
                return

    @property
    def _done(self) -> bool:
        """Whether the stream has ended, and well."""
        runner = self._runner
        return (
            runner is not None
            and runner.done()
            and not runner.cancelled()
            and runner.exception() is None
        )

    def _has_room(self, n: int) -> bool:
        welcome = self._link.welcome
        most = (
            self._capacity if welcome is None else min(self._capacity, welcome.window)
        )
        return self._buffer.held == 0 or self._buffer.held + n <= most

    def _check(self) -> None:
        """Raise what ended the stream, if anything did."""
        if self._runner is None:
            raise Conflict("the stream is not open: use `async with`")
        if self._runner.done():
            fault = None if self._runner.cancelled() else self._runner.exception()
            raise fault or Conflict("the stream is closed")

    async def _until(self, ready: Callable[[], bool]) -> None:
        while not ready():
            self._check()
            await self._changed.wait()

    def _over(self, runner: asyncio.Task[None]) -> None:
        if not runner.cancelled():
            runner.exception()  # asyncio would complain if nobody ever looked
        self._change()

    def _change(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
