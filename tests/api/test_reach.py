"""A key that is limited sees and changes what it reaches, by every route."""

import asyncio
import json
import re
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.api.access import RULES
from app.api.limits import Limits
from app.api.state import State
from app.domain import Prediction, Readings, Retraction, Role
from app.domain.reach import Reach, expression
from app.service.notify.hub import Message
from app.store import (
    alert_rules,
    alerts,
    deliveries,
    devices,
    events,
    jobs,
    labels,
    limited,
    profiles,
    tables,
    webhooks,
)
from app.store.arrays import pack
from app.store.tables import metadata
from tests.api.caller import Caller, api_of, require_problem
from tests.api.reader import reading
from tests.api.test_access import HTTP, STREAMS
from tests.api.test_live import Stream
from tests.service.scene import add_version, event_of, profile_of, window

MINE, THEIRS = "acme-arm", "zork-leg"
"""Whatever is not mine has ``zork`` in its name, so that it is found in any answer."""

SET_ASIDE = np.zeros((1, 2), np.float32)


@dataclass(frozen=True)
class Side:
    """What there is of a profile, by the names of what stands in paths."""

    names: dict[str, str]

    def path(self, path: str) -> str:
        return re.sub(r"\{([^}]+)\}", lambda found: self.names[found[1]], path)


async def furnish(engine: AsyncEngine, state: State, admin: Caller, name: str) -> Side:
    """Put something of every kind below a profile."""
    tag = name.partition("-")[0]
    profile = profile_of(name)
    async with engine.begin() as conn:
        await profiles.put(conn, profile, None)
        for device in (f"{name}-1", f"{name}-2"):
            await devices.put(conn, device, name)
    version = await add_version(
        engine, state.artefacts, tag, profile=name, promote_from=None
    )
    made = [event_of(name, f"{name}-{1 + i % 2}", i, "fist") for i in range(4)]
    classes = (f"{tag}:fist", f"{tag}:rest")
    said = Prediction(classes[0], 0.9, classes, (0.9, 0.1), False, version, "d")
    async with engine.begin() as conn:
        await events.add(conn, made)
        for one in made[:2]:
            await labels.add(conn, one.id, f"{tag}-fist", f"{tag}-ann", "test")
        await events.add_predictions(conn, [(one.id, said) for one in made])
        job, _ = await jobs.create(conn, "verify", name, {"by": tag})
        own = {"name": f"{tag}-rule", "on": "event", "profile": name}
        fields = {"cooldown_seconds": 9.0, "group_by": "device", "enabled": True}
        rule = await alert_rules.add(conn, own | fields)
        firing = alerts.Firing("k", f"{name}-1", name, made[0].id, classes[0], 0.9)
        (alert,) = await alerts.fire(conn, rule, [firing])
        hook = await webhooks.add(conn, f"https://{tag}.test", b"s" * 32, ["x"], name)
        new = deliveries.NewDelivery("m", "x", f'{{"of":"{tag}"}}')
        await deliveries.add(conn, hook.id, [new])
        ((_, delivery),) = await deliveries.take_due(conn, 1, 9.0)
        detector = await profiles.detector(conn, name)
        version_of = {"detector_version": detector.number}
        for device in (f"{name}-1", f"{name}-2"):
            stream = {"device": device, "boot": "b1"}
            row = {"generation": 1, "watermark": 0, "missing": [0]} | version_of
            await conn.execute(insert(tables.streams).values(stream | row))
            row = {
                "seq": 1,
                "values": pack(SET_ASIDE),
                "time": 0.0,
                "why": device,
            } | version_of
            await conn.execute(insert(tables.quarantine).values(stream | row))
    key = (await admin("POST", f"/devices/{name}-1/keys", json={})).json()
    gold = {"events": [str(made[0].id)]}
    assert (await admin("POST", f"/profiles/{name}/gold", json=gold)).is_success
    rules = {"rules": [{"label": f"{tag}-fist", "severity": "warning"}]}
    assert (await admin("PUT", f"/profiles/{name}/rules", json=rules)).is_success
    names = {
        "name": name,
        "device_id": f"{name}-1",
        "event_id": made[1].id,
        "path:path": "main.js",
        "version": version,
        "job_id": job.id,
        "key_id": key["id"],
        "number": detector.number,
        "webhook_id": hook.id,
        "rule_id": rule.id,
        "alert_id": alert.id,
        "delivery_id": delivery.id,
    }
    return Side({what: str(value) for what, value in names.items()})


@dataclass(frozen=True)
class Scene:
    """Two tenants, and a caller who reaches one of them."""

    mine: Side
    theirs: Side
    caller: Caller
    secret: str
    state: State


async def key_of(admin: Caller, **more: Any) -> str:
    body = {"name": "acme", "role": "operator", **more}
    made = await admin("POST", "/keys", json=body)
    assert made.status_code == 201, made.text
    return str(made.json()["key"])


@pytest.fixture
async def scene(
    engine: AsyncEngine, state: State, client: httpx.AsyncClient, admin: Caller
) -> Scene:
    mine = await furnish(engine, state, admin, MINE)
    theirs = await furnish(engine, state, admin, THEIRS)
    await state.champions.refresh()
    secret = await key_of(admin, profiles=["acme-*"])
    return Scene(mine, theirs, api_of(client, secret), secret, state)


QUERIES = {
    "/near-misses": "?profile={name}",
    "/near-misses/recall": "?profile={name}",
    "/labels/queue": "?profile={name}",
    "/labels/disputes": "?profile={name}",
    "/models": "?profile={name}",
    "/models/import": "?profile={name}&classes=a&classes=b",
    "/export": "?profile={name}&format=jsonl",
    "/devices/{device_id}/readings": "?boot=b1&first_seq=1&next_seq=2",
}
"""What a route must be told besides its path."""
SILENT = {
    ("GET", "/profiles/{name}/drift"),
    ("GET", "/models/{version}/shadow"),
    ("GET", "/models/{version}/canary"),
}
"""They have nothing to say of so little, and say so."""


async def test_every_list_and_page_shows_mine_and_nothing_of_theirs(
    scene: Scene,
) -> None:
    wrong, shown = [], 0
    for method, path in HTTP:
        rule = RULES[method, path]
        if method != "GET" or (method, path) in STREAMS or rule.least is None:
            continue
        at = scene.mine.path(path + QUERIES.get(path, ""))
        answer = await scene.caller(method, at)
        if rule.limits is Limits.NONE:
            if answer.status_code != 403:
                wrong.append((path, answer.status_code))
            continue
        fits = answer.is_success or (method, path) in SILENT
        shown += "acme" in answer.text
        if not fits or "zork" in answer.text:
            wrong.append((path, answer.status_code, answer.text))
    assert wrong == []
    assert shown > 20, "there was something to see"


def bodies(side: Side) -> dict[tuple[str, str], Any]:
    """What to send so that only the reach stands in the way."""
    name, device, event = (side.names[k] for k in ("name", "device_id", "event_id"))
    reason = {"reason": "test"}
    rows = [window("fist", 1).tolist()]
    made = {"device": device, "boot": "b1", "onset_seq": 1, "offset_seq": 9}
    profile = {"channels": [{"name": "x"}, {"name": "y"}], "rate_hz": 50}
    return {
        ("POST", "/classify"): {"profile": name, "windows": rows},
        ("POST", "/events"): made,
        ("PATCH", "/events/{event_id}"): {"onset_seq": 102},
        ("POST", "/events/{event_id}/labels"): {"label": "a"},
        ("POST", "/labels"): {"labels": [{"event": event, "label": "a"}]},
        ("POST", "/retrain"): {"profile": name},
        ("POST", "/replay"): {"profile": name, "model_version": 1},
        ("POST", "/verify"): {"profile": name},
        ("POST", "/models/{version}/promote"): reason,
        ("POST", "/models/{version}/shadow"): reason,
        ("DELETE", "/models/{version}/shadow"): reason,
        ("POST", "/models/{version}/canary"): reason | {"share": 0.5},
        ("DELETE", "/models/{version}/canary"): reason,
        ("POST", "/profiles/{name}/rollback"): reason,
        ("PUT", "/profiles/{name}"): profile,
        ("POST", "/profiles/{name}/gold"): {"events": [event]},
        ("POST", "/profiles/{name}/detectors"): {"detector": {}},
        ("POST", "/profiles/{name}/detectors/{number}/promote"): reason,
        ("PUT", "/profiles/{name}/rules"): {"rules": []},
        ("PUT", "/devices/{device_id}"): {"profile": name},
        ("POST", "/devices/{device_id}/pause"): reason,
        ("POST", "/devices/{device_id}/release"): reason,
        ("POST", "/tickets"): {"device": device},
        ("POST", "/alerts/rules"): {"name": "r", "on": "event", "profile": name},
        ("PATCH", "/alerts/rules/{rule_id}"): {"enabled": False},
        ("POST", "/webhooks"): {"url": "https://x.test", "profile": name},
    }


async def contents(engine: AsyncEngine) -> dict[str, Any]:
    """Everything that is stored of theirs."""
    async with engine.begin() as conn:
        found = {}
        for name, table in metadata.tables.items():
            if name not in ("audit", "idempotency_keys", "api_keys"):
                rows = (await conn.execute(table.select())).all()
                found[name] = sorted(str(row) for row in rows if "zork" in str(row))
    return found


async def test_nothing_of_theirs_can_be_read_or_changed_by_any_route(
    scene: Scene, engine: AsyncEngine
) -> None:
    before = await contents(engine)
    wrong = []
    sent = bodies(scene.theirs)
    for method, path in HTTP:
        rule = RULES[method, path]
        if rule.least is None or (method, path) in STREAMS:
            continue
        at = scene.theirs.path(path + QUERIES.get(path, ""))
        body = {} if method == "GET" else {"json": sent.get((method, path), {})}
        answer = await scene.caller(method, at, **body)
        about = "{" in path or path in QUERIES or (method, path) in sent
        refused = answer.status_code in (403, 404) or not about
        empty = answer.status_code == 200 and (
            not answer.content or answer.json().get("items") == []
        )
        if (
            not (refused or empty)
            or "zork-ann" in answer.text
            or "zork:" in answer.text
        ):
            wrong.append((method, path, answer.status_code, answer.text))
    assert wrong == []
    assert await contents(engine) == before


async def test_what_is_written_must_stay_within_reach(
    scene: Scene, admin: Caller
) -> None:
    call = scene.caller
    assert (
        await call("PUT", "/devices/new", json={"profile": MINE})
    ).status_code == 201
    require_problem(await call("PUT", "/devices/new", json={"profile": THEIRS}), 404)
    # a name that somebody else has cannot be taken over
    taken = await call("PUT", f"/devices/{THEIRS}-1", json={"profile": MINE})
    require_problem(taken, 404)
    said = (await admin("GET", f"/devices/{THEIRS}-1")).json()
    assert said["profile"] == THEIRS
    body: dict[str, Any] = {"channels": [{"name": "x"}], "rate_hz": 10}
    assert (await call("PUT", "/profiles/acme-new", json=body)).status_code == 201
    require_problem(await call("PUT", "/profiles/other", json=body), 403)
    hook = {"url": "https://x.test", "types": ["onset.event"]}
    require_problem(await call("POST", "/webhooks", json=hook), 403)
    rule = {"name": "all", "on": "event"}
    require_problem(await call("POST", "/alerts/rules", json=rule), 403)
    row = {"profile": MINE, "window": window("fist", 1).tolist()}
    ndjson = {"Content-Type": "application/x-ndjson"}
    for device, status in ((f"{THEIRS}-1", 404), ("new", 200)):
        line = json.dumps(row | {"device": device}).encode()
        done = await call("POST", "/events/import", content=line, headers=ndjson)
        assert done.status_code == status, done.text


async def test_key_of_some_devices_sees_those_only(
    scene: Scene, admin: Caller, client: httpx.AsyncClient
) -> None:
    secret = await key_of(
        admin, role="labeler", profiles=[MINE], devices=[f"{MINE}-1", "zork*"]
    )
    call = api_of(client, secret)
    wrong, shown = [], 0
    for method, path in HTTP:
        rule = RULES[method, path]
        if method != "GET" or (method, path) in STREAMS or rule.least is None:
            continue
        at = path + QUERIES.get(path, "")
        first = {"event_id": str(event_of(MINE, f"{MINE}-1", 0, "fist").id)}
        answer = await call(method, Side(scene.mine.names | first).path(at))
        if rule.limits is not Limits.DEVICES or rule.least.rank > Role.LABELER.rank:
            if answer.status_code != 403:
                wrong.append((path, answer.status_code))
            continue
        shown += f"{MINE}-1" in answer.text
        others = f"{MINE}-2" in answer.text or "zork" in answer.text
        # of rules that are for a whole profile it sees nothing
        if others or not (answer.is_success or path.startswith("/alerts")):
            wrong.append((path, answer.status_code, answer.text))
    assert wrong == []
    assert shown > 5
    day = "since=2026-01-01T00:00:00Z&until=2026-01-02T00:00:00Z"
    at = f"/profiles/{MINE}/statistics?{day}"
    counted = [(await one("GET", at)).json()["events"] for one in (call, admin)]
    assert counted == [2, 4]
    other = str(event_of(MINE, f"{MINE}-2", 1, "fist").id)
    require_problem(await call("GET", f"/events/{other}"), 404)
    require_problem(await call("GET", f"/devices/{MINE}-2"), 403)


async def test_live_feed_and_signals_tell_of_what_a_key_reaches(
    app: FastAPI, scene: Scene, admin: Caller
) -> None:
    secret = await key_of(admin, role="viewer", devices=[f"{MINE}-1"])
    hub = scene.state.hub
    streams = [
        Stream(f"{name}-{n}", "b", profile_of(name))
        for name in (THEIRS, MINE)
        for n in (2, 1)
    ]
    async with reading(app, secret, "/live") as reader:
        await reader.take()
        for stream in streams:
            hub.publish(Message("retract", (stream, Retraction(uuid4()))))
        hub.publish(Message("job", {"profile": MINE}))
        hub.publish(Message("drift", {}))
        hub.publish(Message("alert", {"profile": MINE, "device": f"{MINE}-1"}))
        said = [await reader.take() for _ in range(2)]
    assert [one.kind for one in said] == ["retract", "alert"]
    assert said[0].data["device"] == f"{MINE}-1"
    async with reading(app, secret, "/signals", f"profile={MINE}") as reader:
        await reader.take()
        for stream in streams:
            readings = Readings(1, np.zeros((1, 2), np.float32), np.zeros(1))
            one = Message("signal", (stream, readings))
            for topic in (f"signal:{stream.device}", f"signals:{stream.profile.name}"):
                hub.publish(one, topic)
        blocks = (await reader.take()).data["blocks"]
    assert [block["device"] for block in blocks] == [f"{MINE}-1"]
    for at in (f"/devices/{MINE}-2/signal", f"/devices/{THEIRS}-1/signal"):
        async with reading(app, secret, at) as reader:
            await asyncio.wait_for(reader.started.wait(), 5)
            assert reader.status == 403
    for query in (f"profile={THEIRS}", f"device={THEIRS}-1"):
        async with reading(app, scene.secret, "/signals", query) as reader:
            await asyncio.wait_for(reader.started.wait(), 5)
            assert reader.status == 404
    last = {"last-event-id": "0"}  # who comes back is told no more either
    async with reading(app, scene.secret, "/live", **last) as reader:
        said = [(await reader.take()).data["profile"] for _ in range(4)]
    assert said == [MINE] * 4


async def test_keys_say_how_far_they_reach_and_an_admin_reaches_all(
    admin: Caller,
) -> None:
    await key_of(admin, profiles=["acme-*"])
    listed = (await admin("GET", "/keys")).json()["items"]
    assert [k["profiles"] for k in listed if k["name"] == "acme"] == [["acme-*"]]
    for body in ({"role": "admin", "profiles": ["a"]}, {"devices": ["a b"]}):
        answer = await admin(
            "POST", "/keys", json={"name": "x", "role": "viewer"} | body
        )
        require_problem(answer, 422)


def test_every_table_is_limited_or_has_its_reason() -> None:
    assert set(metadata.tables) == set(limited.VISIBLE) | set(limited.WHOLE)
    assert not set(limited.VISIBLE) & set(limited.WHOLE)


async def test_patterns_mean_the_same_to_python_and_to_postgres(
    engine: AsyncEngine,
) -> None:
    patterns = ("*", "a.b", "a*", "*-1", "a:b*c", "A_-", "a**b")
    names = ("a.b", "axb", "a", "x-1", "a:bxc", "A_-", "aQb", "z", "a.b.c")
    async with engine.connect() as conn:
        for pattern in patterns:
            reach = Reach((pattern,))
            for name in names:
                query = text("SELECT :name ~ :expression")
                said = {"name": name, "expression": expression((pattern,))}
                there = await conn.scalar(query, said)
                assert there == reach.profile(name), (pattern, name)
