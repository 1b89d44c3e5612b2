"""History, a first model, drifting streams, late labels: the loop, over the network."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from msgspec import structs

from app.client import DeviceStream, Onset
from app.domain import utc
from app.errors import NotFound
from app.simulate.operator import true_event
from app.simulate.recording import Recording
from app.simulate.signals import Pack, generate, pack
from app.wire import messages
from tests.scenarios.served import ADMIN_KEY, Served, register

PLUG = pack("smart-plug")
NAME = PLUG.profile.name
BEGIN = datetime(2026, 1, 2, tzinfo=UTC).timestamp()
DEVICES = ["plug-1", "plug-2", "plug-3"]
PARTS = 5
EVERY_LABELS = 10
SLOWER = 3.0
"""Times the usual wait, at most; on a noisy machine, since the two take turns."""
ACCESS = {"Authorization": f"Bearer {ADMIN_KEY}"}


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[Served]:
    """A service with a trainer that does not rest between two trainings."""
    running = Served(database_url, tmp_path, ONSET_RETRAIN_COOLDOWN_SECONDS="0")
    try:
        running.start()
        running.start("trainer")
        yield running
    finally:
        running.stop()


async def test_late_labels_keep_up_with_a_drift_and_trainings_slow_no_answers(
    service: Served,
):
    drifting = {d: simulate(PLUG, d, 900, drift=(0.0, 0.8)) for d in DEVICES}
    live = []
    async with service.api() as api, streaming(service, api, PLUG, DEVICES) as streams:
        first = await bootstrap(api, PLUG)
        async with watched(service) as waited:
            for part in range(PARTS):
                await asyncio.gather(
                    *(send(streams[d], r, part, PARTS) for d, r in drifting.items())
                )
                truth = await unlabelled_truth(api, drifting)
                said = [(await api.event(e))["prediction"]["label"] for e in truth]
                live.append(accuracy(said, truth))
                if part < PARTS - 1:  # nobody labels the tail
                    given = (api.label(*one) for one in truth.items())
                    await learnt(api, await asyncio.gather(*given))
        frozen = [(await again(api, e, first))["label"] for e in truth]
        existing = {m["version"] async for m in api.models(NAME)}
        versions = {e["prediction"]["model_version"] async for e in streamed(api)}
        assert [s.connections for s in streams.values()] == [1] * len(DEVICES)
    assert len(truth) >= 20
    assert live[0] >= 0.9  # version 1 knew the classes as they were
    assert live[-1] >= 0.8
    assert live[-1] >= accuracy(frozen, truth) + 0.4
    assert {first} < versions <= existing
    assert min(map(len, waited.values())) >= 20
    idle, training = (np.percentile(waited[busy], [50, 95]) for busy in (False, True))
    assert (training <= SLOWER * idle).all(), f"{training} s, usually {idle} s"
    assert not service.has_loaded("sklearn")  # it has never trained anything
    assert service.has_loaded("sklearn", "trainer")
    assert service.niceness("trainer") >= service.niceness("serve") + 10


async def test_a_stored_window_classified_again_gives_the_streamed_answer_bit_for_bit(
    service: Served,
):
    heard: list[messages.Prediction] = []
    async with service.api() as api, device(service, api, heard) as line:
        first = await bootstrap(api, PLUG)
        await send(line, simulate(PLUG, "plug-1", 300))
        await line.end()
        events = [await api.event(e["id"]) async for e in streamed(api)]
        told = {str(m.event): m for m in heard if not m.provisional}
        assert len(events) == len(told) >= 10
        for event in events:
            (said,) = event["predictions"]
            assert said["model_version"] == first
            assert await again(api, event["id"], first) == {
                name: said[name]
                for name in said.keys() - {"at", "first"}  # all that a model says
            }
            message = structs.asdict(told[event["id"]])
            assert message == message | event["prediction"]


async def test_after_a_rollback_the_former_version_answers_and_history_tells(
    service: Served,
):
    plug = simulate(PLUG, "plug-1", 900)
    async with service.api() as api, device(service, api) as line:
        first = await bootstrap(api, PLUG)
        await send(line, plug, 0, 3)
        truth = await unlabelled_truth(api, {"plug-1": plug})
        second = await learnt(api, [await api.label(*y) for y in truth.items()])
        await send(line, plug, 1, 3)
        answer = await api.rollback(NAME, "just to see")
        assert (answer["version"], answer["previous"]) == (first, second)
        await served(api, PLUG, first)
        async with httpx.AsyncClient(base_url=service.url, headers=ACCESS) as client:
            counted = (await client.get("/metrics")).text
        assert f'onset_serving_model_version{{profile="{NAME}"}} {first}.0' in counted
        await send(line, plug, 2, 3)
        events = sorted([e async for e in streamed(api)], key=itemgetter("onset_seq"))
        history = sorted((await api.history(NAME))["items"], key=itemgetter("at"))
    by = [event["prediction"]["model_version"] for event in events]
    assert [version for version, _ in groupby(by)] == [first, second, first]
    assert [row["version"] for row in history] == [first, second, first]
    begun = [row["at"] for row in history]
    assert [row["until"] for row in history] == [*begun[1:], None]
    assert history[-1]["reason"] == "just to see"


async def test_online_a_label_is_served_within_five_seconds_and_the_model_improves(
    service: Served,
):
    drifting = simulate(PLUG, "plug-1", 900, drift=(0.0, 0.8))
    online = {"mode": "online", "estimator": "sgd", "every_labels": None}
    waited, right, restarted = [], [], []
    async with service.api() as api, device(service, api) as line:
        version = await bootstrap(api, PLUG)
        await register(api, [], body(PLUG) | {"retrain": online}, NAME)
        await send(line, drifting)
        truth = await unlabelled_truth(api, {"plug-1": drifting})
        for event, label in truth.items():
            said = await again(api, event, version)
            right.append(said["label"] == label)  # tested first, then learnt
            begun = time.monotonic()
            await api.label(event, label)
            done = await seen(api, event)
            if done["result"]["promoted"]:
                version = await served(api, PLUG, done["result"]["model_version"])
                waited.append(time.monotonic() - begun)
            model = await api.call("GET", f"/models/{done['result']['model_version']}")
            restarted.append(model["report"]["restarted"])
    assert len(waited) >= 10
    assert max(waited[1:]) < 5
    assert waited[0] < 15  # the trainer loads its libraries for the first
    assert not any(restarted[1:])
    half = len(right) // 2
    assert sum(right[half:]) / (len(right) - half) >= sum(right[:half]) / half


async def test_what_cannot_be_trained_is_refused_by_name_or_says_why_nothing_came(
    service: Served,
):
    async with service.api() as api:
        await register(api, [], body(PLUG), NAME)
        asked = {"profile": NAME, "mode": "incremental"}
        async with httpx.AsyncClient(base_url=service.url, headers=ACCESS) as client:
            answer = await client.post("/retrain", json=asked)
        assert answer.status_code == 409
        assert answer.headers["content-type"] == "application/problem+json"
        assert "'extra_trees' cannot learn incrementally" in answer.json()["detail"]
        job = await api.retrain(NAME)
        job = await api.wait_job(job["id"], look_seconds=0.05)
        assert job["state"] == "succeeded"
        assert job["result"]["verdict"] == "not_enough_evidence"
        assert "0 labelled rows" in job["result"]["reason"]
        assert [m async for m in api.models(NAME)] == []


@asynccontextmanager
async def watched(service: Served) -> AsyncIterator[dict[bool, list[float]]]:
    """Classify all the while; give the seconds, of answers while a job runs and not.

    Both have the machine's same noise, turn by turn.
    """
    waited: dict[bool, list[float]] = {False: [], True: []}
    rows = windows(PLUG, 300).splitlines()
    window = json.loads(rows[0])["window"]

    async def training(api: Onset) -> bool:
        page = await api.call("GET", "/jobs", params={"profile": NAME, "limit": 1})
        return bool(page["items"][0]["state"] == "running")

    async def watch() -> None:
        async with service.api() as api:
            while True:
                before, took = await training(api), []
                for _ in range(3):
                    begun = time.monotonic()
                    await api.classify(NAME, [window])
                    took.append(time.monotonic() - begun)
                if await training(api) == before:
                    waited[before] += took
                await asyncio.sleep(0.1)

    task = asyncio.create_task(watch())
    try:
        yield waited
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def body(pack: Pack) -> dict[str, Any]:
    """Declare a pack's profile; trees are quick and know no partial_fit."""
    return {
        "channels": [{"name": c.name, "unit": c.unit} for c in pack.profile.channels],
        "rate_hz": pack.profile.rate_hz,
        "retrain": {"every_labels": EVERY_LABELS, "estimator": "extra_trees"},
    }


def simulate(
    pack: Pack, device: str, seconds: float, drift: tuple[float, float] = (0.0, 0.0)
) -> Recording:
    """Make a recording, the same each time."""
    rng = np.random.default_rng([ord(letter) for letter in device])
    return generate(pack, device, "1", seconds, rng, drift)


def windows(pack: Pack, seconds: float) -> bytes:
    """Cut labelled windows out of a recording without drift, as NDJSON."""
    past = simulate(pack, "past", seconds)
    roll = round(past.rate_hz / 2)
    rows = []
    for event in past.truth:
        start, end = (round(s * past.rate_hz) for s in (event.start, event.end))
        row = {
            "profile": pack.profile.name,
            "label": event.label,
            "window": past.values[start - roll : end + roll].tolist(),
            "onset": utc(BEGIN - 86400 + event.start).isoformat(),
            "pre_roll": roll,
            "post_roll": roll,
        }
        rows.append(json.dumps(row))
    return "\n".join(rows).encode()


async def bootstrap(api: Onset, pack: Pack, seconds: float = 1200) -> int:
    """Import history, train by hand, and wait until the first version serves."""
    history = windows(pack, seconds)
    done = await api.import_events(history)
    assert done["labelled"] == done["imported"] == len(history.splitlines())
    job = await api.retrain(pack.profile.name)
    job = await api.wait_job(job["id"], look_seconds=0.05)
    assert job["result"]["promoted"], job
    return await served(api, pack, job["result"]["model_version"])


@asynccontextmanager
async def streaming(
    service: Served,
    api: Onset,
    pack: Pack,
    devices: Sequence[str],
    heard: list[messages.Prediction] | None = None,
) -> AsyncIterator[dict[str, DeviceStream]]:
    """Declare and connect devices, all for as long as the context lasts."""
    keys = await register(api, list(devices), body(pack), pack.profile.name)
    hear = None if heard is None else heard.append
    async with AsyncExitStack() as stack:
        yield {
            d: await stack.enter_async_context(
                service.device(d, keys[d], boot="b", on_prediction=hear)
            )
            for d in devices
        }


@asynccontextmanager
async def device(
    service: Served, api: Onset, heard: list[messages.Prediction] | None = None
) -> AsyncIterator[DeviceStream]:
    """Declare and connect one plug."""
    async with streaming(service, api, PLUG, ["plug-1"], heard) as streams:
        yield streams["plug-1"]


async def send(
    stream: DeviceStream, recording: Recording, part: int = 0, parts: int = 1
) -> None:
    """Send one part of a recording by the device's clock, until it is durable."""
    rows = np.array_split(np.arange(len(recording.t)), parts)[part]
    for few in np.array_split(rows, len(rows) // 50):
        times = (BEGIN + recording.t[few]).tolist()
        await stream.send(recording.values[few], times)
    await stream.drained()


async def streamed(api: Onset, **filters: Any) -> AsyncIterator[dict[str, Any]]:
    """Read the events that a detector found."""
    async for event in api.events(profile=NAME, **filters):
        if "imported" not in event["flags"]:
            yield event


async def unlabelled_truth(
    api: Onset, recordings: Mapping[str, Recording]
) -> dict[str, str]:
    """Say what each stored event without a label really is, by its id."""
    said = {}
    async for event in streamed(api, labelled=False):
        recording = recordings[event["device"]]
        truth = true_event(recording, event["onset_seq"], event["offset_seq"])
        if truth is not None:
            said[event["id"]] = truth.label
    return said


async def learnt(api: Onset, labels: Sequence[Mapping[str, Any]]) -> int | None:
    """Wait until the policy has nothing to ask for and what it promoted is served.

    Labels that come while it trains may be worth a second training, whose few new rows
    need not be worth a promotion.
    """
    given = [datetime.fromisoformat(label["at"]) for label in labels]
    assert len(given) >= EVERY_LABELS
    async with asyncio.timeout(120):
        while True:
            page = await api.call("GET", "/jobs", params={"profile": NAME, "limit": 5})
            job = page["items"][0]
            if job["ended_at"] is not None:
                began = datetime.fromisoformat(job["started_at"])
                if sum(at > began for at in given) < EVERY_LABELS:
                    break
            await asyncio.sleep(0.05)
    assert job["request"]["by"] == "policy"
    promoted = [
        job["result"]["model_version"]
        for job in page["items"]
        if datetime.fromisoformat(job["started_at"]) > min(given)
        and job["result"]["promoted"]
    ]
    if not promoted:  # a challenger that answers alike need not serve
        return None
    return await served(api, PLUG, promoted[0])


async def seen(api: Onset, event: str) -> dict[str, Any]:
    """Wait for the end of the job whose model knows of an event's label."""
    async with asyncio.timeout(60):
        while True:
            page = await api.call("GET", "/jobs", params={"profile": NAME, "limit": 1})
            job = page["items"][0]
            if job["state"] == "succeeded" and job["result"]["model_version"]:
                path = f"/models/{job['result']['model_version']}"
                rows = (await api.call("GET", path))["manifest"]
                if any(event == row[0] for row in rows["train"] + rows["holdout"]):
                    return job
            await asyncio.sleep(0.02)


async def served(api: Onset, pack: Pack, version: int) -> int:
    """Wait until it is this version that answers; return it."""
    quiet = np.zeros((20, pack.profile.n_channels))
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(NotFound):
                (said,) = await api.classify(pack.profile.name, [quiet])
                if said["model_version"] == version:
                    return version
            await asyncio.sleep(0.02)


async def again(api: Onset, event: str, version: int) -> dict[str, Any]:
    """Classify an event's stored window by a version."""
    window = await api.call("GET", f"/events/{event}/window")
    rolls = {name: window[name] for name in ("pre_roll", "post_roll")}
    (said,) = await api.classify(
        NAME, [window["values"]], model_version=version, **rolls
    )
    return said


def accuracy(said: Sequence[str], truth: Mapping[str, str]) -> float:
    """Share of answers that are right."""
    right = [a == b for a, b in zip(said, truth.values(), strict=True)]
    return sum(right) / len(right)
