"""The reference device in JavaScript, against the toy server."""

import asyncio
import json
import os
import shutil
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.client.service import KEY, Service, running

EXAMPLES = Path(__file__).parents[2] / "examples"
NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(NODE is None, reason="needs Node")


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with running() as service:
        yield service


async def start(
    script: str, *arguments: str, **more: str
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        str(NODE),
        str(EXAMPLES / script),
        *arguments,
        env={**os.environ, "ONSET_KEY": KEY, "CHANNELS": "2", **more},
        stdout=PIPE,
        stderr=PIPE,
    )


async def test_the_javascript_device_loses_nothing_through_cuts_and_kills(
    service: Service,
) -> None:
    device = await start("device.mjs", service.url, "d", READINGS="600", SPEED="12")
    finished = asyncio.create_task(device.communicate())
    for way in ("kill", "stop", "kill"):
        before = service.frames
        while service.frames < before + 20 and not finished.done():
            await asyncio.wait([finished], timeout=0.02)
        await getattr(service, way)()
        await service.start()
    out, err = await finished
    assert device.returncode == 0, err.decode()
    assert json.loads(out.splitlines()[-1]) == {
        "type": "done",
        "acked": 600,
        "skipped": 0,
    }
    ((_, row),) = service.store.items()
    assert row.watermark == 600
    assert row.generation >= 4
    assert not row.gaps


async def test_the_javascript_device_says_why_it_gives_up(service: Service) -> None:
    device = await start("device.mjs", service.url, "d", ONSET_KEY="ons_wrong")
    out, err = await device.communicate()
    assert device.returncode == 1
    assert b"401" in err
    assert out == b""


async def test_the_javascript_reader_prints_each_event_once_and_resumes() -> None:
    places: list[str] = []
    sent = [
        'id: 7\nevent: event\ndata: {"id":"a","prediction":null}\n\n',
        'id: 8\r\nevent: event\r\ndata: {"id":"b",\r\ndata: "x":"\u00e9"}\r\n\r\n',
    ]

    async def answer(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        places.append(head.partition("last-event-id: ")[2].partition("\r\n")[0])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        if len(places) <= 2:
            writer.write(sent[len(places) - 1].encode())
            await writer.drain()
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reader = await start("reader.mjs", f"http://127.0.0.1:{port}", "p")
    assert reader.stdout is not None
    lines = [await reader.stdout.readline() for _ in sent]
    reader.kill()
    await reader.communicate()
    server.close()
    assert [json.loads(line)["id"] for line in lines] == ["a", "b"]
    assert places[:2] == ["", "7"]
