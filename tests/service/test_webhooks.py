"""What is committed reaches whoever asked for it, at least once and told apart."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.service.notify import webhooks as service
from app.service.notify.hub import Hub, Message
from app.service.notify.outgoing import make_client
from app.service.notify.webhooks import Webhooks, pause_after
from app.store import deliveries, webhooks
from app.store.artefacts import Artefacts
from app.store.deliveries import Delivery
from app.store.webhooks import Webhook
from tests.service.receiver import Receiver, receiving
from tests.service.scene import add_events, add_version, cycle, profile_of, put_profile

SECRET = b"s" * 32
BOTH = ("onset.event", "onset.model")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with make_client() as made:
        yield made


@pytest.fixture
async def profile(engine: AsyncEngine) -> None:
    await put_profile(engine, profile_of())


def told(engine: AsyncEngine, *, allow_internal: bool = True) -> Webhooks:
    return Webhooks(
        engine, Hub(), lambda row: {"id": row.id}, allow_internal=allow_internal
    )


async def hook_to(
    engine: AsyncEngine, url: str, *, profile: str | None = None, types=BOTH
) -> Webhook:
    async with engine.begin() as conn:
        return await webhooks.add(conn, url, SECRET, types, profile)


async def log_of(engine: AsyncEngine, hook: Webhook) -> list[Delivery]:
    async with engine.connect() as conn:
        return (await deliveries.log(conn, hook.id))[0]


async def all_due(engine: AsyncEngine) -> None:
    """Let the time pass that deliveries wait for."""
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE deliveries SET next_at = now()"))


async def settle(hooks: Webhooks, client: httpx.AsyncClient) -> None:
    while await hooks.owe_all() or await hooks.send_due(client):
        pass


async def test_events_and_promotions_arrive_signed_each_once(
    engine: AsyncEngine,
    artefacts: Artefacts,
    receiver: Receiver,
    client: httpx.AsyncClient,
    profile: None,
):
    await add_events(engine, "arm", cycle(3))  # before anybody asked
    hook = await hook_to(engine, receiver.url)
    made = await add_events(engine, "arm", cycle(5), start=10)
    version = await add_version(engine, artefacts, "v", promote_from=None)
    await settle(told(engine), client)
    await settle(told(engine), client)
    said = {}
    for headers, body in receiver.got:
        event = json.loads(body)
        assert headers["webhook-id"] == event["id"]
        signed = f"{event['id']}.{headers['webhook-timestamp']}.".encode() + body
        mac = hmac.new(SECRET, signed, hashlib.sha256).digest()
        expected = "v1," + base64.b64encode(mac).decode()
        assert headers["webhook-signature"] == expected
        assert headers["content-type"] == "application/cloudevents+json"
        assert (event["specversion"], event["source"]) == ("1.0", "/onset")
        said[event["id"]] = event
    assert len(receiver.got) == len(said) == 6
    for event in made:
        one = said[f"event:{event.id}"]
        assert (one["type"], one["subject"]) == ("onset.event", "arm-1")
        assert one["data"] == {"id": str(event.id)}
    (promoted,) = [e for e in said.values() if e["type"] == "onset.model"]
    assert promoted["data"]["version"] == version
    assert {d.state for d in await log_of(engine, hook)} == {"delivered"}


async def test_only_what_was_asked_for_is_sent(
    engine: AsyncEngine,
    artefacts: Artefacts,
    receiver: Receiver,
    client: httpx.AsyncClient,
    profile: None,
):
    await put_profile(engine, profile_of("leg"))
    await hook_to(engine, receiver.url, profile="leg", types=("onset.event",))
    await add_events(engine, "arm", cycle(4))
    await add_events(engine, "leg", cycle(2))
    await add_version(engine, artefacts, "v", promote_from=None)
    await settle(told(engine), client)
    assert [json.loads(b)["subject"] for _, b in receiver.got] == ["leg-1"] * 2


async def test_a_promotion_that_commits_late_under_a_lower_number_is_sent(
    engine: AsyncEngine,
    artefacts: Artefacts,
    receiver: Receiver,
    client: httpx.AsyncClient,
    profile: None,
):
    hook = await hook_to(engine, receiver.url)
    await add_version(engine, artefacts, "v", promote_from=None)
    async with engine.begin() as conn:
        ahead = "UPDATE webhooks SET promotion = promotion + 5"  # as if others had been
        await conn.execute(text(ahead))
    for _ in range(3):
        await settle(told(engine), client)
    assert [d.type for d in await log_of(engine, hook)] == ["onset.model"]
    assert len(receiver.got) == 1


@pytest.mark.parametrize(
    "answer", ["500 Broken", "429 Slower", "302 Found", "404 Not Found"]
)
async def test_what_is_not_taken_is_sent_again_later_under_the_same_id(
    engine: AsyncEngine,
    receiver: Receiver,
    client: httpx.AsyncClient,
    profile: None,
    answer: str,
):
    hook = await hook_to(engine, receiver.url)
    await add_events(engine, "arm", ["fist"])
    receiver.answers = [answer]
    await settle(told(engine), client)
    (waits,) = await log_of(engine, hook)
    assert (waits.state, waits.attempts) == ("waiting", 1)
    assert waits.error == f"the receiver answered {answer[:3]}"
    assert 3 <= (waits.next_at - waits.created_at).total_seconds() <= 8
    assert len(receiver.got) == 1
    await all_due(engine)
    await settle(told(engine), client)
    (done,) = await log_of(engine, hook)
    assert (done.state, done.attempts, done.status) == ("delivered", 2, 204)
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    async with engine.connect() as conn:
        assert (await webhooks.get(conn, hook.id)).failing_since is None


async def test_a_sender_that_dies_before_it_could_say_so_costs_a_repetition(
    engine: AsyncEngine, receiver: Receiver, client: httpx.AsyncClient, profile: None
):
    hook = await hook_to(engine, receiver.url)
    await add_events(engine, "arm", ["fist"])
    await told(engine).owe_all()
    async with engine.begin() as conn:
        assert len(await deliveries.take_due(conn, 10, 60.0)) == 1  # and it dies
    await settle(told(engine), client)
    assert receiver.got == []  # the lease is still on
    await all_due(engine)
    await settle(told(engine), client)
    assert [d.state for d in await log_of(engine, hook)] == ["delivered"]


async def test_many_senders_at_once_owe_and_send_each_message_once(
    engine: AsyncEngine, receiver: Receiver, client: httpx.AsyncClient, profile: None
):
    hook = await hook_to(engine, receiver.url)
    await add_events(engine, "arm", cycle(300))
    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(settle(told(engine), client))
    await settle(told(engine), client)
    assert len({h["webhook-id"] for h, _ in receiver.got}) == 300
    assert len(receiver.got) == 300
    async with engine.connect() as conn:
        assert await deliveries.waiting(conn, hook.id) == 0


async def test_a_receiver_inside_our_network_is_not_asked_and_the_log_says_why(
    engine: AsyncEngine, receiver: Receiver, client: httpx.AsyncClient, profile: None
):
    hook = await hook_to(engine, receiver.url)
    await add_events(engine, "arm", ["fist"])
    await settle(told(engine, allow_internal=False), client)
    (refused,) = await log_of(engine, hook)
    assert refused.error == "127.0.0.1 is no public address"
    assert receiver.got == []


async def test_after_a_day_a_message_is_given_up_and_by_hand_sent_again(
    engine: AsyncEngine, receiver: Receiver, client: httpx.AsyncClient, profile: None
):
    hook = await hook_to(engine, receiver.url)
    await add_events(engine, "arm", ["fist"])
    tries = len(service.RETRY_SECONDS) + 1
    receiver.answers = ["500 Broken"] * tries
    for _ in range(tries):
        await settle(told(engine), client)
        await all_due(engine)
    (lost,) = await log_of(engine, hook)
    assert (lost.state, lost.attempts) == ("failed", tries)
    async with engine.begin() as conn:
        await deliveries.resend(conn, hook.id, lost.id)
    await settle(told(engine), client)
    assert (await log_of(engine, hook))[0].state == "delivered"


async def test_a_webhook_that_fails_for_days_is_disabled_until_somebody_says_so(
    engine: AsyncEngine, receiver: Receiver, client: httpx.AsyncClient, profile: None
):
    hook = await hook_to(engine, receiver.url)
    await add_events(engine, "arm", ["fist"])
    receiver.answers = ["500 Broken"]
    hooks = told(engine)
    await settle(hooks, client)
    async with engine.begin() as conn:
        back = "UPDATE webhooks SET failing_since = now() - interval '4 days'"
        await conn.execute(text(back))
    await hooks.tidy()
    async with engine.connect() as conn:
        off = await webhooks.get(conn, hook.id)
    assert off.disabled == "no delivery succeeded for 72 hours"
    await all_due(engine)
    await add_events(engine, "arm", ["wave"], start=5)
    await settle(hooks, client)
    assert len(receiver.got) == 1
    async with engine.begin() as conn:
        await webhooks.enable(conn, hook.id)
    await settle(hooks, client)
    assert {d.state for d in await log_of(engine, hook)} == {"delivered"}
    assert len(receiver.got) == 3


async def test_a_webhook_far_behind_is_owed_no_more_until_it_catches_up(
    engine: AsyncEngine,
    receiver: Receiver,
    client: httpx.AsyncClient,
    profile: None,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(service, "MOST_WAITING", 5)
    monkeypatch.setattr(service, "BATCH", 5)
    hook = await hook_to(engine, receiver.url)
    await add_events(engine, "arm", cycle(12))
    hooks = told(engine)
    while await hooks.owe_all():
        pass
    async with engine.connect() as conn:
        assert await deliveries.waiting(conn, hook.id) == 5
    await settle(hooks, client)
    assert len(receiver.got) == 12


async def test_the_loop_sends_as_soon_as_the_hub_says_so(
    engine: AsyncEngine, receiver: Receiver, profile: None
):
    hub = Hub()
    hooks = Webhooks(engine, hub, lambda row: {}, allow_internal=True)
    await hook_to(engine, receiver.url)
    task = asyncio.create_task(hooks.run())
    await add_events(engine, "arm", ["fist"])
    async with asyncio.timeout(10):
        while not receiver.got:
            hub.publish(Message("event", None))
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_pauses_grow_to_half_a_day_and_end():
    pauses = [pause_after(n, 0.5) for n in range(1, 11)]
    assert pauses == [float(s) for s in service.RETRY_SECONDS] + [None]
    assert pause_after(1, 0.0) == 4.0
    assert pause_after(1, 0.999) == pytest.approx(6.0, abs=0.01)
