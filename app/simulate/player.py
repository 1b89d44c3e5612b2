"""Devices that play recordings, each in a task of its own, paced by the clock.

A device goes through its recordings one after the other, each a boot of its own.
What the service has of a boot already is not sent again: the `welcome` says where to
go on, so a run that was broken off continues.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from app.client import DeviceStream
from app.domain import FloatArray
from app.simulate.faults import Fault, Script, Way, plan
from app.simulate.operator import Ended, Operator
from app.simulate.plan import BETWEEN_SECONDS, boot_of
from app.simulate.recording import Recording
from app.wire.messages import Event

CHUNK_SECONDS = 0.1
"""Readings of so much time (as it passes for us) go into one message: a person cannot
tell it from immediately, and ten messages a second and device cost little."""
MAX_CHUNK_READINGS = 512
LINGER_SECONDS = 300.0
"""How long the end of a recording waits for a service that is away."""


def no_faults(recording: Recording) -> Sequence[Fault]:
    """Plant nothing."""
    return ()


@dataclass(frozen=True, slots=True)
class Line:
    """Where devices stream to, how fast, and what is wrong with them.

    Parameters
    ----------
    speed : float > 0
        How many times faster than life.
    run : str
        Names the run; another one makes new boots.
    faults : function of a recording
        What is planted in it.
    """

    url: str
    speed: float = 1.0
    run: str = ""
    faults: Callable[[Recording], Sequence[Fault]] = no_faults


class Device:
    """One device, playing its recordings.

    Parameters
    ----------
    name, key : str
        The registered device and its key.
    start : float
        Time of its first reading, seconds since the epoch.
    operator : Operator
        Told of what is played and of every event.
    """

    def __init__(
        self, name: str, key: str, line: Line, start: float, operator: Operator
    ) -> None:
        self._name = name
        self._key = key
        self._line = line
        self._start = start
        self._operator = operator

    async def play(self, recordings: Iterable[Recording]) -> None:
        """Play recordings one after the other, until all of each is durable."""
        for recording in recordings:
            await self._play(recording)
            self._start += recording.seconds + BETWEEN_SECONDS

    async def _play(self, recording: Recording) -> None:
        line = self._line
        boot = boot_of(recording, line.run)
        chunk_seconds = min(
            CHUNK_SECONDS * line.speed, MAX_CHUNK_READINGS / recording.rate_hz
        )
        script = plan(recording, line.faults(recording), chunk_seconds)
        self._operator.watch(boot, recording)

        def ended(event: Event) -> None:
            span = (event.onset_seq, event.offset_seq)
            self._operator.hear(Ended(str(event.event), self._name, boot, *span))

        async with DeviceStream(
            line.url,
            self._name,
            self._key,
            boot=boot,
            linger_seconds=LINGER_SECONDS,
            on_event=ended,
        ) as stream:
            welcome = await stream.welcome()
            await self._deliver(stream, recording.t, script, welcome.ack)

    async def _deliver(
        self, stream: DeviceStream, t: FloatArray, script: Script, done: int
    ) -> None:
        """Send what comes after the first `done` readings, when its time has come."""
        if done >= len(t):
            return
        begin = time.monotonic() - (t[done] - t[0]) / self._line.speed
        times = self._start + (script.clock - t[0])
        for delivery in script.deliveries:
            again = delivery.way is Way.AGAIN and delivery.stop == done
            if delivery.stop <= done and not again:
                continue
            due = begin + delivery.at / self._line.speed
            await asyncio.sleep(max(due - time.monotonic(), 0.0))
            if again:
                stream.resend(delivery.first + 1)
                continue
            first = max(delivery.first, done)
            if first > done:
                stream.skip(first - done, "simulated gap")
            done = delivery.stop
            await stream.send(script.values[first:done], times[first:done].tolist())
            if delivery.way is Way.BROKEN:
                stream.cut()
