"""Webhooks by REST."""

import base64

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.store import deliveries
from app.store.deliveries import NewDelivery
from tests.api.caller import Caller, require_problem

URL = "https://example.com/onset"


async def test_secret_is_shown_once_and_everything_is_audited(
    api: dict[str, Caller],
) -> None:
    call = api["operator"]
    answer = await call("POST", "/webhooks", json={"url": URL, "profile": "arm"})
    assert answer.status_code == 201
    made = answer.json()
    assert len(base64.b64decode(made["secret"].removeprefix("whsec_"))) == 32
    assert made["types"] == ["onset.event", "onset.model"]
    (shown,) = (await call("GET", "/webhooks")).json()["items"]
    assert shown == {k: v for k, v in made.items() if k != "secret"}
    path = f"/webhooks/{made['id']}"
    assert (await call("POST", f"{path}/enable")).json() == shown
    assert (await call("DELETE", path)).status_code == 204
    require_problem(await call("DELETE", path), 404)
    acts = (await api["admin"]("GET", "/audit")).json()["items"]
    done = [a["act"] for a in acts if a["object"] == f"webhook:{made['id']}"]
    assert done == ["delete", "enable", "create"]
    assert made["secret"] not in str(acts)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"url": "ftp://example.com/"}, 422),
        ({"url": "https://ann:pw@example.com/"}, 422),
        ({"url": URL, "types": []}, 422),
        ({"url": URL, "types": ["onset.teapot"]}, 422),
        ({"url": URL, "profile": "leg"}, 404),
        ({}, 422),
    ],
)
async def test_what_cannot_be_told_is_refused(
    admin: Caller, body: dict[str, object], status: int
) -> None:
    require_problem(await admin("POST", "/webhooks", json=body), status)


async def test_deliveries_are_listed_by_state_and_sent_again(
    admin: Caller, engine: AsyncEngine
) -> None:
    made = (await admin("POST", "/webhooks", json={"url": URL})).json()
    new = [NewDelivery(f"event:{n}", "onset.event", "{}") for n in range(3)]
    async with engine.begin() as conn:
        await deliveries.owe(conn, made["id"], new, position=0, promotion=0)
        ((_, first), *_) = await deliveries.take_due(conn, 1, 60.0)
        await deliveries.again(conn, first, None, 500, "the receiver answered 500")
    path = f"/webhooks/{made['id']}/deliveries"
    page = (await admin("GET", path, params={"limit": 2})).json()
    rest = {"limit": 2, "cursor": page["next_cursor"]}
    last = (await admin("GET", path, params=rest)).json()
    told = [d["message"] for d in page["items"] + last["items"]]
    assert told == ["event:2", "event:1", "event:0"]
    failed = (await admin("GET", path, params={"state": "failed"})).json()["items"]
    assert [d["error"] for d in failed] == ["the receiver answered 500"]
    again = await admin("POST", f"{path}/{failed[0]['id']}/resend")
    assert (again.status_code, again.json()["state"]) == (202, "waiting")
    require_problem(await admin("POST", f"{path}/999/resend"), 404)
    require_problem(await admin("GET", "/webhooks/999/deliveries"), 404)
