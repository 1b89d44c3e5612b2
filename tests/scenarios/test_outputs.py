"""What was detected leaves the service in every way, and is the same in each."""

import asyncio
import json
from pathlib import Path

import httpx

from tests.scenarios.served import ADMIN_KEY, Served, bursts, register
from tests.service.receiver import receiving

CHANNELS = 2
PROFILE = {"channels": [{"name": "x"}, {"name": "y"}], "rate_hz": 50}


async def test_the_same_event_by_query_feed_socket_webhook_and_export(
    database_url: str, tmp_path: Path
):
    service = Served(database_url, tmp_path, ONSET_WEBHOOKS_ALLOW_INTERNAL="true")
    service.start()
    socket: list[str] = []
    feed: list[str] = []
    try:
        async with service.api() as api, receiving() as receiver:
            keys = await register(api, ["band-1"], PROFILE, "arm")
            await api.call("POST", "/webhooks", json={"url": receiver.url})

            async def listen() -> None:
                async for one in api.live(last_event_id="0", kind=["event"]):
                    feed.append(one.data["id"])

            listening = asyncio.create_task(listen())
            heard = {"on_event": lambda message: socket.append(str(message.event))}
            async with service.device("band-1", keys["band-1"], **heard) as stream:
                await stream.send(bursts(4000, CHANNELS, 1))
                await stream.end()
            queried = [event["id"] async for event in api.events()]
            async with asyncio.timeout(20):
                while True:
                    if len(feed) == len(receiver.got) == len(queried):
                        break
                    await asyncio.sleep(0.02)
            listening.cancel()
            pushed = [json.loads(body)["data"]["id"] for _, body in receiver.got]
            access = {"Authorization": f"Bearer {ADMIN_KEY}"}
            async with httpx.AsyncClient(headers=access) as client:
                answer = await client.get(f"{service.url}/export")
            exported = [json.loads(line)["id"] for line in answer.text.splitlines()]
    finally:
        service.stop()
    assert len(queried) >= 5
    assert exported == feed == queried
    assert sorted(pushed) == sorted(socket) == sorted(queried)
