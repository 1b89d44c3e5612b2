"""Swaps without end while predictions are asked for as fast as they come.

    python -m benchmarks.swaps [--swaps 200] [--predictions 100000] [--per-minute 100]

Starts a service of its own with five versions, each of which answers with classes that
carry its own name.  Versions are promoted and rolled back over REST at a steady pace,
while eight connections ask `POST /classify` without a pause.  Counted are answers that
are no answers, answers whose class is of another version than they name (mixed), and
answers that a connection hears out of the ledger's order, or before their version was
promoted (wrong).  A process serves the former until it has loaded the next, which is
measured, and told.  Meanwhile a device streams events, each stored with its prediction;
in the end all of them are asked again of the versions that they name, and must come out
bit for bit.  Exit code 1 if anything of it is not 0, or if nothing was stored.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from dataclasses import dataclass, field

import numpy as np

from app.client import DeviceStream, Onset
from benchmarks.place import KEY, place

TAGS = 5
CLASSES = ("rest", "fist")
CONNECTIONS = 8
STREAMER = "streamer"
Answer = tuple[float, float, int]
"""When it was asked for, when it came, and of which version it is."""


@dataclass
class Counted:
    """What was asked, promoted and found."""

    wanted: int = 0
    asked: int = 0
    enough: asyncio.Event = field(default_factory=asyncio.Event)
    failed: int = 0
    mixed: int = 0
    answers: list[list[Answer]] = field(default_factory=list)
    """Of each connection."""
    promoted: list[tuple[float, float, int]] = field(default_factory=list)
    """When a promotion was asked for and answered, and what serves from then on."""


def windows(n: int) -> list[tuple[str, list[list[float]]]]:
    """Quiet and loud windows of two channels."""
    rng = np.random.default_rng(n)
    return [
        (name, rng.normal(0, loud, (40, 2)).round(4).tolist())
        for _ in range(30)
        for name, loud in zip(CLASSES, (0.1, 2.0), strict=True)
    ]


async def versions(api: Onset) -> dict[int, str]:
    """Train five versions whose classes carry their names."""
    channels = [{"name": "x"}, {"name": "y"}]
    policy = {"every_labels": None, "estimator": "logistic", "promote": "never"}
    await api.put_profile(
        "swaps", {"channels": channels, "rate_hz": 50, "retrain": policy}
    )
    made: dict[int, str] = {}
    events: list[str] = []
    for tag in range(TAGS):
        rows = [
            {"profile": "swaps", "window": w, "label": f"v{tag}:{y}"}
            for y, w in windows(0)
        ]
        if not events:
            await api.import_events("\n".join(map(json.dumps, rows)).encode())
            events = [one["id"] async for one in api.events(profile="swaps")]
            said = [one["label"]["label"] async for one in api.events(profile="swaps")]
            kinds = dict(zip(events, (y.split(":")[1] for y in said), strict=True))
        else:
            await api.labels({e: f"v{tag}:{kinds[e]}" for e in events})
        job = await api.retrain("swaps", mode="full")
        done = await api.wait_job(job["id"])
        made[done["result"]["model_version"]] = f"v{tag}"
    return made


async def ask(
    port: int, names: dict[int, str], to: Counted, stop: asyncio.Event
) -> None:
    """Ask without a pause; note when, and which version answered."""
    said = json.dumps({"profile": "swaps", "windows": [windows(1)[1][1]]}).encode()
    head = (
        f"POST /classify HTTP/1.1\r\nHost: onset\r\nAuthorization: Bearer {KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(said)}\r\n\r\n"
    )
    mine: list[Answer] = []
    to.answers.append(mine)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while not stop.is_set():
        began = time.perf_counter()
        writer.write(head.encode() + said)
        top = await reader.readuntil(b"\r\n\r\n")
        size = int(top.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        body = json.loads(await reader.readexactly(size))
        to.asked += 1
        if to.asked >= to.wanted:
            to.enough.set()
        if b" 200 " not in top[:16]:
            to.failed += 1
            continue
        [answer] = body["predictions"]
        to.mixed += answer["label"].split(":")[0] != names[answer["model_version"]]
        mine.append((began, time.perf_counter(), answer["model_version"]))
    writer.close()


async def swap(
    api: Onset, names: dict[int, str], to: Counted, asked: argparse.Namespace
) -> None:
    """Promote and roll back at a steady pace."""
    choose = random.Random(0)
    begun = time.perf_counter()
    now = to.promoted[-1][2]
    for k in range(asked.swaps):
        await asyncio.sleep(begun + k * 60 / asked.per_minute - time.perf_counter())
        at = time.perf_counter()
        if k % 3 == 2:
            now = int((await api.rollback("swaps", "benchmark"))["version"] or 0)
        else:
            now = choose.choice([one for one in names if one != now])
            await api.promote(now, "benchmark")
        to.promoted.append((at, time.perf_counter(), now))


async def stream(url: str, key: str, stop: asyncio.Event) -> None:
    """Send rest and bursts, one event a tenth of a second, until told to stop."""
    rng = np.random.default_rng(0)
    async with DeviceStream(url, STREAMER, key) as line:
        while not stop.is_set():
            loud = np.repeat([0.1, 2.0, 0.1], [250, 50, 100])[:, None]
            values = rng.normal(0, loud, (400, 2)).astype(np.float32)
            for part in np.split(values, 8):
                await line.send(part)
                await asyncio.sleep(0.0125)
        await line.drained()


async def ask_again(api: Onset, names: dict[int, str]) -> tuple[int, int, int, int]:
    """Check what was stored of the stream.

    Returns how many predictions there are and of how many versions, how many name
    another version than their class is of, and how many do not come out again.
    """
    said = [
        one["prediction"]
        async for one in api.events(device=STREAMER)
        if one["prediction"] is not None
    ]
    mixed = sum(
        one["label"].split(":")[0] != names[one["model_version"]] for one in said
    )
    job = await api.verify(profile="swaps", device=STREAMER)
    told = (await api.wait_job(job["id"]))["result"]
    lost = told["predictions"] - told["predictions_reproduced"]
    assert told["predictions"] == len(said)
    return len(said), len({one["model_version"] for one in said}), mixed, lost


def wrong(answers: list[Answer], promoted: list[tuple[float, float, int]]) -> int:
    """Count the answers of one connection that do not follow the ledger.

    The versions that it hears must come in the order of their promotions, none before
    its promotion was asked for.  Some may be left out: the next was there sooner.
    """
    count = at = 0
    for _, told, version in answers:
        if promoted[at][2] == version:
            continue
        after = enumerate(promoted[at + 1 :], at + 1)
        found = [k for k, (began, _, v) in after if v == version and began <= told]
        if found:
            at = found[0]
        else:
            count += 1
    return count


def lags(to: Counted) -> list[float]:
    """How long after its promotion a version first answered."""
    found = []
    answers = sorted((a for one in to.answers for a in one), key=lambda one: one[1])
    at = 0
    for k, (_, told, version) in enumerate(to.promoted[1:], 1):
        until = to.promoted[k + 1][0] if k + 1 < len(to.promoted) else float("inf")
        while at < len(answers) and answers[at][1] < told:
            at += 1
        first = next(
            (t for _, t, v in answers[at:] if v == version and t < until), None
        )
        if first is not None:
            found.append(first - told)
    return found


async def measure(url: str, port: int, asked: argparse.Namespace) -> int:
    """Do it, and tell."""
    async with Onset(url, KEY) as api:
        names = await versions(api)
        first = next(iter(names))
        at = time.perf_counter()
        await api.promote(first, "benchmark")
        to = Counted(asked.predictions, promoted=[(at, time.perf_counter(), first)])
        await asyncio.sleep(2)  # the service has heard of it
        stop = asyncio.Event()
        asking = [
            asyncio.create_task(ask(port, names, to, stop)) for _ in range(CONNECTIONS)
        ]
        await api.put_device(STREAMER, "swaps")
        key = await api.device_key(STREAMER)
        asking.append(asyncio.create_task(stream(url, key, stop)))
        begun = time.perf_counter()
        await swap(api, names, to, asked)
        await to.enough.wait()
        took = time.perf_counter() - begun
        stop.set()
        await asyncio.gather(*asking)
        stored, of, mistold, lost = await ask_again(api, names)
    late = lags(to)
    n_wrong = sum(wrong(one, to.promoted) for one in to.answers)
    print(
        f"{asked.swaps} swaps in {took:.0f} s, {to.asked} predictions: "
        f"{to.failed} failed, {to.mixed} mixed, "
        f"{n_wrong} out of the ledger's order"
    )
    p50, p99 = np.percentile(np.array(late) * 1e3, [50, 99])
    print(f"from promotion to its first answer: p50 {p50:.0f} ms, p99 {p99:.0f} ms")
    waits = (
        np.array([told - begun for one in to.answers for begun, told, _ in one]) * 1e3
    )
    print(
        "answers: p50 {:.2f} ms, p99 {:.2f} ms".format(*np.percentile(waits, [50, 99]))
    )
    print(
        f"of a stream: {stored} predictions of {of} versions, {mistold} mixed, "
        f"{stored - lost} the same to the last bit when asked again"
    )
    faults = to.failed or to.mixed or n_wrong or mistold or lost or not stored
    return int(bool(faults))


def main() -> int:
    """Start everything, measure, stop everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--swaps", type=int, default=200)
    parser.add_argument("--predictions", type=int, default=100_000)
    parser.add_argument("--per-minute", type=float, default=100.0)
    asked = parser.parse_args()
    with place("trainer", ONSET_REQUESTS_PER_SECOND="1000000") as where:
        return asyncio.run(measure(where.url, where.port, asked))


if __name__ == "__main__":
    sys.exit(main())
