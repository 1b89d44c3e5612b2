"""Keys of devices that a bridge speaks for, and the command that runs it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from app.bridge.streams import Streams
from app.cli import build
from app.errors import NotFound, Unauthenticated
from tests.client.service import KEY, Service, running


class Told:
    """A REST interface that knows the device `old`, and gives keys."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.put: list[tuple[str, str]] = []
        self.made: list[str] = []

    async def device(self, name: str) -> dict[str, Any]:
        if name != "old":
            raise NotFound(f"no device {name!r}")
        return {"id": name}

    async def put_device(self, name: str, profile: str) -> None:
        self.put.append((name, profile))

    async def device_key(self, name: str) -> str:
        self.made.append(name)
        return self.key


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with running() as service:
        yield service


def streams(told: Told, service: Service, keys: dict[str, str], **more: Any) -> Streams:
    return Streams(told, service.url, keys, keys.update, **more)  # type: ignore[arg-type]


async def opened(streams: Streams, name: str) -> None:
    stream = await streams.open(name, "b", lambda _: None)
    await stream.close()


async def test_a_device_gets_a_key_once_and_is_registered_only_where_it_is_new(
    service: Service,
):
    told, keys = Told(KEY), dict[str, str]()
    mine = streams(told, service, keys, profile="toy")
    for name in ("old", "new", "new"):
        await opened(mine, name)
    assert told.made == ["old", "new"]
    assert told.put == [("new", "toy")]
    assert keys == {"old": KEY, "new": KEY}
    with pytest.raises(NotFound):
        await opened(streams(told, service, {}), "new")


async def test_a_key_that_was_revoked_is_made_anew_next_time(service: Service):
    keys = {"old": "ons_revoked"}
    told = Told(KEY)
    mine = streams(told, service, keys)
    with pytest.raises(Unauthenticated):
        await opened(mine, "old")
    assert keys == {}
    await opened(mine, "old")
    assert told.made == ["old"]


def command(*words: str) -> Result:
    return CliRunner().invoke(build(["mqtt"]), ["mqtt", *words])


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("http://broker",), "mqtt://host"),
        (("mqtt://broker", "--readings", "a/b"), "{device}"),
        (("mqtt://ada:pass-w0rd@broker",), "ONSET_MQTT_PASSWORD"),
    ],
)
def test_what_cannot_work_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], why: str
):
    monkeypatch.setenv("ONSET_KEY", KEY)
    said = command(*words, "--url", "http://127.0.0.1:1")
    assert why in str(said.exception)
    assert "pass-w0rd" not in str(said.exception)
