import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from app.domain import Channel, Profile
from app.simulate.faults import Fault, Kind
from app.simulate.operator import Ended, Operator
from app.simulate.player import Device, Line
from app.simulate.recording import Recording
from app.wire.frames import SUBPROTOCOLS
from app.wire.session import Accept, Close, End, Limits, Open, Send, Session, Skip

CODEC = "onset.v1.msgpack"
PROFILE = Profile("p", (Channel("x"), Channel("y")), 100.0)


class Shore:
    """The server's side of the protocol over a real socket; memory is its database."""

    def __init__(self) -> None:
        self.url = ""
        self.values: dict[str, dict[int, list[float]]] = {}
        self.times: dict[str, dict[int, float]] = {}
        self.skipped: list[tuple[int, str]] = []
        self.next_seq: dict[str, int] = {}
        self.connections = 0

    async def talk(self, socket: ServerConnection) -> None:
        self.connections += 1
        session, boot = Session(SUBPROTOCOLS[CODEC], Limits()), ""
        try:
            async for frame in socket:
                for action in session.receive(frame, time.time()):
                    match action:
                        case Open():
                            boot = action.boot or ""
                            await self._welcome(session, socket, boot)
                        case Accept(readings):
                            self._keep(boot, readings)
                        case Skip(to, why):
                            self.skipped.append((to, why))
                            self.next_seq[boot] = to
                        case Close():
                            pytest.fail(f"the device was refused: {action}")
                        case End():
                            await socket.send(self._ack(session, boot))
                            return
                if boot:
                    await socket.send(self._ack(session, boot))
        except ConnectionClosed:
            return

    def _keep(self, boot, readings) -> None:
        assert readings.first_seq == self.next_seq[boot]
        seqs = range(readings.first_seq, readings.next_seq)
        self.values[boot].update(zip(seqs, readings.values.tolist(), strict=True))
        self.times[boot].update(zip(seqs, readings.times.tolist(), strict=True))
        self.next_seq[boot] = readings.next_seq

    async def _welcome(self, session, socket, boot) -> None:
        self.values.setdefault(boot, {})
        self.times.setdefault(boot, {})
        answers = session.welcome(
            boot=boot,
            generation=self.connections,
            watermark=self.next_seq.setdefault(boot, 1) - 1,
            window=4096,
            profile=PROFILE,
            detector_version=1,
            model_version=None,
        )
        for answer in answers:
            assert isinstance(answer, Send)
            await socket.send(answer.frame)

    def _ack(self, session, boot):
        return session.ack(self.next_seq[boot] - 1)


@asynccontextmanager
async def shore() -> AsyncIterator[Shore]:
    place = Shore()
    async with serve(place.talk, "127.0.0.1", 0, subprotocols=[CODEC]) as server:
        port = server.sockets[0].getsockname()[1]
        place.url = f"http://127.0.0.1:{port}"
        yield place


class Nobody(Operator):
    """An operator who looks away."""

    def __init__(self) -> None:
        self.watched: list[str] = []

    def watch(self, boot: str, recording: Recording) -> None:
        self.watched.append(boot)

    def hear(self, event: Ended) -> None:
        raise AssertionError(event)


def recording(part: str = "1", n: int = 400) -> Recording:
    t = 3.0 + np.arange(n) / 100
    values = np.random.default_rng(n).standard_normal((n, 2)).astype(np.float32)
    return Recording("d", part, ("x", "y"), 100.0, t, values)


async def play(place: Shore, *recordings: Recording, faults=()) -> list[str]:
    nobody = Nobody()
    line = Line(place.url, speed=40.0, faults=lambda r: faults)
    async with asyncio.timeout(20):
        await Device("d", "k", line, 1000.0, nobody).play(recordings)
    return nobody.watched


async def test_each_part_arrives_whole_in_order_as_a_boot_of_its_own():
    parts = [recording("1"), recording("2", 300)]
    async with shore() as place:
        boots = await play(place, *parts)
    assert len(set(boots)) == 2
    for boot, part in zip(boots, parts, strict=True):
        assert list(place.values[boot].values()) == part.values.tolist()
    assert place.times[boots[0]][1] == 1000.0
    assert place.times[boots[0]][400] == pytest.approx(1003.99)
    assert place.times[boots[1]][1] == pytest.approx(1000 + 3.99 + 1.0)


async def test_what_the_service_has_is_not_played_again():
    one = recording()
    async with shore() as place:
        (boot,) = await play(place, one)
        place.next_seq[boot], place.values[boot] = 201, {}
        await play(place, one)
        assert list(place.values[boot].values()) == one.values[200:].tolist()
        before = place.connections
        began = time.monotonic()
        await play(place, one)
    assert place.connections == before + 1
    assert time.monotonic() - began < one.seconds / 40


async def test_a_gap_is_announced_with_its_length():
    async with shore() as place:
        (boot,) = await play(place, recording(), faults=[Fault(Kind.GAP, 1.0, 0.5)])
    missing = set(range(1, 401)) - place.values[boot].keys()
    assert missing == set(range(min(missing), place.skipped[0][0]))
    assert place.skipped[0][1] == "simulated gap"


@pytest.mark.parametrize("kind", [Kind.DUPLICATE, Kind.REORDER, Kind.BURST])
async def test_faults_of_the_line_change_no_reading(kind: Kind):
    one = recording()
    async with shore() as place:
        (boot,) = await play(place, one, faults=[Fault(kind, 1.0, 0.5)])
    assert list(place.values[boot].values()) == one.values.tolist()
    assert (place.connections > 1) is (kind is Kind.REORDER)
