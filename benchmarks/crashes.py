"""Whether anything is lost, doubled or invented while the service dies again and again.

    python -m benchmarks.crashes [--kills 50] [--devices 30] [--readings 5000]
    python -m benchmarks.crashes --replicas 2 --postgres-crash-every 10
    python -m benchmarks.crashes --kills 0 --cut-commits 25
    python -m benchmarks.crashes --kills 0 --replicas 4 --scale 2

Every device sends the same readings twice: undisturbed, and while the service is killed
(SIGKILL) at moments of chance and started again, devices come back over an old socket
that goes on talking, PostgreSQL crashes (``immediate`` stop), or commits get no answer
because the line to it is cut after COMMIT was sent, or all replicas but one are sent
home (SIGTERM), and come back, so many times.  The profile records, so that every
reading can be looked up afterwards.  Exit status 1 if anything differs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import psycopg
import uvloop

from app.store.arrays import unpack_values
from benchmarks.fleet import CHANNELS, Device, Ledger, readings, register
from benchmarks.place import Place, free_ports, place

PAUSE_SECONDS = (0.3, 1.5)
"""Between the return of the service and the next kill."""
ZOMBIE_SHARE = 0.03
STAY_SECONDS = 4.0
"""In each of both sizes."""
IN_FLIGHT_SECONDS = 0.02
"""What was said before the kill has arrived after that."""


@dataclass
class Found:
    """What came of it."""

    kills: int = 0
    crashes: int = 0
    recoveries: list[float] = field(default_factory=list)


class Line(asyncio.Protocol):
    """One half of a connection that passes through."""

    def __init__(self, proxy: Proxy, other: Line | None = None) -> None:
        self.proxy, self.other = proxy, other
        self.transport: asyncio.Transport | None = None
        self.early: list[bytes] = []
        self.deaf = False

    def connection_made(self, transport) -> None:
        """Connect on."""
        self.transport = transport
        if self.other is None:
            asyncio.get_running_loop().create_task(self._go_on())
        else:
            self.other.other = self
            for data in self.other.early:
                transport.write(data)

    async def _go_on(self) -> None:
        loop, port = asyncio.get_running_loop(), self.proxy.to
        try:
            await loop.create_connection(
                lambda: Line(self.proxy, self), "127.0.0.1", port
            )
        except OSError:
            if self.transport is not None:
                self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Pass on, but for the answer to a COMMIT that is cut off."""
        if self.other is None or self.other.transport is None:
            self.early.append(data)
        elif not self.deaf:
            if self.proxy.armed and b"COMMIT" in data:
                self.proxy.armed = False
                self.proxy.cut += 1
                self.deaf = self.other.deaf = True
                asyncio.get_running_loop().call_later(0.2, self._cut)
            self.other.transport.write(data)

    def _cut(self) -> None:
        for line in (self, self.other):
            if line is not None and line.transport is not None:
                line.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the other half."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.abort()


class Proxy:
    """Stands between the service and PostgreSQL; `armed`: cuts the next commit."""

    def __init__(self, to: int) -> None:
        self.to = to
        self.armed = False
        self.cut = 0
        self.listening: asyncio.Server | None = None

    async def serve(self, port: int) -> None:
        """Take connections."""
        loop = asyncio.get_running_loop()
        self.listening = await loop.create_server(lambda: Line(self), "127.0.0.1", port)


def crash(where: Place) -> None:
    """Crash PostgreSQL, and start it again."""
    if where.server.pid is not None:
        os.kill(where.server.pid, signal.SIGQUIT)
    while where.server.running:
        time.sleep(0.01)
    where.server.start()


async def disturb(where: Place, devices: list[Device], asked, found: Found) -> None:
    """Kill and crash; note how long until its devices heard something new."""
    ledger = devices[0].ledger
    rng = random.Random(1)
    while found.kills < asked.kills:
        await asyncio.sleep(rng.uniform(*PAUSE_SECONDS))
        port = rng.choice(where.ports)
        victims = {d.name for d in devices if d.socket and d.socket.port == port}
        if not victims:
            continue
        found.kills += 1
        if asked.postgres_crash_every and not found.kills % asked.postgres_crash_every:
            found.crashes += 1
            crash(where)
        before = len(ledger.acks)
        killed = time.perf_counter()
        await asyncio.to_thread(where.kill, port)
        where.start("serve", port)
        dead = time.perf_counter() + IN_FLIGHT_SECONDS
        while not any(t > dead and d in victims for t, d in ledger.acks[before:]):
            await asyncio.sleep(0.01)
            if time.perf_counter() - killed > 60:
                raise SystemExit("a minute without an acknowledgement")
        came = next(t for t, d in ledger.acks[before:] if t > dead and d in victims)
        found.recoveries.append(came - killed)


async def scale(where: Place, devices: list[Device], times: int) -> None:
    """Send all replicas home but the first, and let them come back."""
    ledger = devices[0].ledger
    for _ in range(times):
        for port in where.ports[1:]:
            process = where.running.pop(f"serve {port}")
            process.terminate()
            if status := await asyncio.to_thread(process.wait):
                raise SystemExit(f"a replica that was sent home ended with {status}")
        before = len(ledger.acks)
        await asyncio.sleep(STAY_SECONDS)
        heard = {device for _, device in ledger.acks[before:]}
        if unheard := {d.name for d in devices if not d.done} - heard:
            raise SystemExit(f"one replica does not serve {sorted(unheard)}")
        for port in where.ports[1:]:
            where.start("serve", port)
            await asyncio.to_thread(where.wait, port)
        await asyncio.sleep(STAY_SECONDS)
        there = Counter(d.socket.port for d in devices if d.socket)
        print(f"devices by replica: {sorted(there.values())}")


async def cut_commits(proxy: Proxy, count: int) -> None:
    """Cut so many commits, one after another."""
    rng = random.Random(2)
    while proxy.cut < count:
        await asyncio.sleep(rng.uniform(0.2, 0.8))
        proxy.armed = True


async def play(where: Place, devices: list[Device], *others) -> None:
    """Let all devices send; whatever disturbs them ends first."""
    playing = [asyncio.ensure_future(device.run(where.ports)) for device in devices]
    disturbing = [asyncio.ensure_future(other) for other in others]
    for task in disturbing:
        await task
        if all(one.done() for one in playing):
            print("the devices were done before the last disturbance")
    for device in devices:
        device.pace = device.zombie_share = 0.0
    await asyncio.gather(*playing)


def compare(where: Place, devices: list[Device]) -> bool:
    """Hold what is stored against what was sent, and both boots against each other."""
    lost = doubled = invented = 0
    table: Counter[tuple] = Counter()
    calm: Counter[tuple] = Counter()
    with psycopg.connect(where.database) as conn:
        for device in devices:
            seen = np.zeros(len(device.values) + 1, int)
            for first, packed in conn.execute(
                'SELECT first_seq, "values" FROM recordings '
                "WHERE device = %s AND boot = 'b'",
                [device.name],
            ):
                got = unpack_values(packed, (-1, len(CHANNELS)))
                rows = slice(first - 1, first - 1 + len(got))
                seen[rows.start : rows.stop] += 1
                invented += int((got != device.values[rows]).any(axis=1).sum())
            lost += int((seen[: device.acked] == 0).sum())
            doubled += int((seen > 1).sum())
        for boot, rows in (("calm", calm), ("b", table)):
            for row in conn.execute(
                "SELECT device, onset_seq, offset_seq, peak, flags FROM events "
                "WHERE boot = %s",
                [boot],
            ):
                rows[(*row[:4], tuple(row[4]))] += 1
    missing, extra = calm - table, table - calm
    print(
        f"readings: lost {lost}, doubled {doubled}, invented {invented}; "
        f"events: {sum(table.values())}, lost {sum(missing.values())}, "
        f"doubled {sum(n - 1 for n in table.values())}, "
        f"invented {sum(extra.values())}"
    )
    return not (lost or doubled or invented or missing or extra)


async def measure(where: Place, asked, proxy: Proxy | None, port: int) -> bool:
    """Play both boots, and say what came of it."""
    if proxy is not None:
        await proxy.serve(port)
        for one in where.ports:
            where.start("serve", one)
        await asyncio.gather(*(asyncio.to_thread(where.wait, p) for p in where.ports))
    names = [f"d{i}" for i in range(asked.devices)]
    keys = await asyncio.to_thread(register, where, names, "crashes", record=True)
    sent = {name: readings(asked.readings, i) for i, name in enumerate(names)}
    calm = [Device(n, keys[n], sent[n], Ledger(), boot="calm") for n in names]
    await play(where, calm)
    ledger, found = Ledger(), Found()
    seconds = asked.kills * 3.5 + asked.cut_commits * 0.6
    seconds += asked.scale * (2 * STAY_SECONDS + 6.0 * asked.replicas)
    pace = 2 * seconds / (asked.readings / 30)
    devices = [
        Device(n, keys[n], sent[n], ledger, pace=pace, zombie_share=ZOMBIE_SHARE)
        for n in names
    ]
    others = [disturb(where, devices, asked, found)]
    if asked.scale:
        others.append(scale(where, devices, asked.scale))
    if proxy is not None:
        others.append(cut_commits(proxy, asked.cut_commits))
    began = time.perf_counter()
    await play(where, devices, *others)
    print(
        f"{found.kills} kills of {asked.replicas} replicas, {found.crashes} crashes of "
        f"PostgreSQL, {proxy.cut if proxy else 0} commits cut, in "
        f"{time.perf_counter() - began:.0f} s; {asked.devices} devices, "
        f"{asked.devices * asked.readings} readings, {ledger.connections} connections, "
        f"{ledger.zombies} zombies with {ledger.zombie_messages} messages, "
        f"{ledger.replayed} readings sent again, closes {dict(ledger.closes)}"
    )
    if found.recoveries:
        print(
            "to the first new acknowledgement after a kill: "
            f"p50 {np.median(found.recoveries):.2f} s, "
            f"max {max(found.recoveries):.2f} s"
        )
    return await asyncio.to_thread(compare, where, devices)


def main() -> None:
    """Start everything, disturb it, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--devices", type=int, default=30)
    parser.add_argument("--readings", type=int, default=5000)
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument("--postgres-crash-every", type=int, default=0)
    parser.add_argument("--cut-commits", type=int, default=0)
    parser.add_argument("--scale", type=int, default=0)
    asked = parser.parse_args()
    if asked.scale and (asked.kills or asked.replicas < 2):
        parser.error("--scale needs --kills 0 and --replicas, two or more")
    if asked.cut_commits and asked.kills:
        parser.error("a cut line may end a start that nobody repeats: --kills 0")
    (port,) = free_ports(1)
    with place(replicas=asked.replicas) as where:
        proxy = None
        if asked.cut_commits:
            there = where.server.url
            to = int(there.rsplit(":", 1)[1].split("/")[0])
            proxy = Proxy(to)
            where.environment["DATABASE_URL"] = there.replace(f":{to}/", f":{port}/")
            for one in where.ports:
                where.kill(one)
        right = uvloop.run(measure(where, asked, proxy, port))
    raise SystemExit(not right)


if __name__ == "__main__":
    main()
