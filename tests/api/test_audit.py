"""Whatever is changed by REST is in the audit trail, with who did it."""

from typing import Any

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.api.access import RULES
from app.api.state import State
from app.domain import Event
from app.store import audit, deliveries, detectors, profiles
from app.store.deliveries import NewDelivery
from app.store.detectors import NewDetector
from tests.api.caller import Caller
from tests.service.recorded import PROFILE, record
from tests.service.scene import add_version, tiny_model, window

CHANGES_NOTHING = {
    ("POST", "/classify"),
    ("POST", "/v2/models/{name}/infer"),
    ("POST", "/v2/models/{name}/versions/{version}/infer"),
    ("POST", "/tickets"),  # good once, for a minute, for what the key may do anyway
    ("POST", "/devices/{device_id}/readings"),  # measured by a device, done by nobody
}
CHANGES = {key for key in RULES if key[0] != "WS" and key[0] != "GET"} - CHANGES_NOTHING


@pytest.fixture
async def recorded(engine: AsyncEngine, admin: Caller) -> list[Event]:
    async with engine.begin() as conn:
        await profiles.put(conn, PROFILE, None)
    return await record(engine, 1)


async def entries(engine: AsyncEngine) -> int:
    async with engine.connect() as conn:
        return len((await audit.list_(conn, 200))[0])


async def test_every_change_is_in_the_trail_with_who_did_it(
    admin: Caller, engine: AsyncEngine, state: State, recorded: list[Event]
) -> None:
    done: set[tuple[str, str]] = set()

    async def does(method: str, path: str, body: Any = None, **names: Any) -> Any:
        """Make one change; it must be in the trail, once, as the admin's."""
        before = await entries(engine)
        place = path.format(**names)
        answer = await admin(method, place, json=body)
        assert answer.is_success, (method, path, answer.text)
        assert await entries(engine) > before, f"{method} {path} left no trace"
        async with engine.connect() as conn:
            (newest, *_), _ = await audit.list_(conn, 1)
        assert newest.actor == "admin", (method, path)
        done.add((method, path))
        return answer.json() if answer.content else None

    why = {"reason": "test"}
    share = why | {"share": 0.5}
    first = await add_version(engine, state.artefacts, "v")
    second = await add_version(engine, state.artefacts, "w")
    event, other = str(recorded[0].id), str(recorded[1].id)

    span = {"device": "arm-1", "boot": "b1", "onset_seq": 101, "offset_seq": 301}
    await does("POST", "/events", span)
    moved = {"onset_seq": recorded[0].onset_seq + 1}
    await does("PATCH", "/events/{event_id}", moved, event_id=event)
    said = {"label": "fist"}
    await does("POST", "/events/{event_id}/labels", said, event_id=event)
    await does("POST", "/labels", {"labels": [{"event": other, "label": "wave"}]})
    await does("POST", "/profiles/{name}/gold", {"events": [event]}, name="arm")
    rules = {"rules": [{"label": "fist", "severity": "critical"}]}
    await does("PUT", "/profiles/{name}/rules", rules, name="arm")

    await does("POST", "/models/{version}/shadow", why, version=first)
    await does("DELETE", "/models/{version}/shadow", version=first)
    await does("POST", "/models/{version}/promote", why, version=first)
    await does("POST", "/models/{version}/canary", share, version=second)
    await does("DELETE", "/models/{version}/canary", version=second)
    await does("POST", "/models/{version}/promote", why, version=second)
    await does("POST", "/profiles/{name}/rollback", why, name="arm")
    own = why | {"device": "arm-1"}
    await does("POST", "/models/{version}/promote", own, version=second)
    await does("POST", "/devices/{device_id}/release", why, device_id="arm-1")

    async with engine.begin() as conn:
        settings = {"kind": "energy", "on": 9}
        number = await detectors.add(conn, NewDetector("arm", settings))
    place = "/profiles/{name}/detectors/{number}/promote"
    await does("POST", place, why, name="arm", number=number)
    await does("POST", "/profiles/{name}/detectors/rollback", why, name="arm")

    body = {"profile": "arm"}
    job = await does("POST", "/retrain", body)
    await does("DELETE", "/jobs/{job_id}", job_id=job["id"])
    await does("POST", "/verify", body)
    await does("POST", "/replay", body | {"detector": {"kind": "sta_lta"}})
    detector = {"detector": {"kind": "energy", "on": 8}}
    await does("POST", "/profiles/{name}/detectors", detector, name="arm")
    await does("POST", "/profiles/{name}/detectors/fit", {}, name="arm")
    await does("POST", "/profiles/{name}/detectors/explore", {}, name="arm")

    leg = {"channels": [{"name": "a"}], "rate_hz": 25}
    await does("PUT", "/profiles/{name}", leg, name="leg")
    await does("PUT", "/devices/{device_id}", {"profile": "leg"}, device_id="leg-1")
    await does("POST", "/devices/{device_id}/keys", {}, device_id="leg-1")
    await does("POST", "/devices/{device_id}/pause", why, device_id="leg-1")
    await does("POST", "/devices/{device_id}/resume", device_id="leg-1")
    await does("DELETE", "/devices/{device_id}", device_id="leg-1")
    key = await does("POST", "/keys", {"name": "ada", "role": "viewer"})
    await does("DELETE", "/keys/{key_id}", key_id=key["id"])

    rule = await does("POST", "/alerts/rules", {"name": "any", "on": "event"})
    change = {"enabled": False}
    await does("PATCH", "/alerts/rules/{rule_id}", change, rule_id=rule["id"])
    hook = await does("POST", "/webhooks", {"url": "https://example.com/onset"})
    async with engine.begin() as conn:
        new = [NewDelivery("event:x", "onset.event", "{}")]
        await deliveries.add(conn, hook["id"], new)
        ((_, owed),) = await deliveries.take_due(conn, 1, 60.0)
        await deliveries.again(conn, owed, None, 500, "broken")
    await does("POST", "/webhooks/{webhook_id}/enable", webhook_id=hook["id"])
    place = "/webhooks/{webhook_id}/deliveries/{delivery_id}/resend"
    await does("POST", place, webhook_id=hook["id"], delivery_id=owed.id)
    await does("DELETE", "/webhooks/{webhook_id}", webhook_id=hook["id"])
    await does("DELETE", "/alerts/rules/{rule_id}", rule_id=rule["id"])

    for path, kind, content, query in (
        (
            "/events/import",
            "application/x-ndjson",
            msgspec.json.encode(
                {"profile": "arm", "window": window("fist", 9).tolist()}
            ),
            {},
        ),
        (
            "/models/import",
            "application/octet-stream",
            tiny_model("v")[0],
            {"profile": "arm", "classes": ["v:fist", "v:rest", "v:wave"]},
        ),
    ):
        before = await entries(engine)
        headers = {"Content-Type": kind}
        answer = await admin(
            "POST", path, params=query, content=content, headers=headers
        )
        assert answer.is_success, answer.text
        assert await entries(engine) > before
        done.add(("POST", path))
    # an alert needs something that fired: `test_alerts.py` acknowledges one
    assert CHANGES - done == {("POST", "/alerts/{alert_id}/ack")}
