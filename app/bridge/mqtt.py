"""Devices that publish to an MQTT broker stream to Onset, and hear what it finds.

    broker --PUBLISH--> device's queue --> its stream --> Onset
       ^                                       |
       '--- PUBACK, once Onset has said ack ---'

The broker keeps what is published while the bridge is away, and delivers again what
the bridge has not acknowledged.  MQTT wants acknowledgements in the order of arrival,
so a device that stands still would hold up all others: after `HOLD_SECONDS` its message
is acknowledged although it is not durable yet, and lives in this process alone.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from app.bridge.counts import AGAIN, MALFORMED, REFUSED, Counts
from app.bridge.device import Device, Held, Open
from app.bridge.payloads import read
from app.bridge.topics import Topics
from app.errors import InvalidInput, Unauthenticated

log = logging.getLogger("onset.bridge")

HOLD_SECONDS = 60.0
IDLE_SECONDS = 3600.0
"""A device that says nothing for so long has no stream any more, until it does."""
LOOK_SECONDS = 1.0
RECONNECT_SECONDS = 1
"""Doubles with each attempt that fails, up to 30."""
MOST_TO_TELL = 10_000
"""Messages that wait for the broker to take them."""
PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class Broker:
    """Where a broker is, and who asks; the password is never part of an address.

    Examples
    --------
    >>> broker = Broker.at("mqtts://onset@broker.example", "secret")
    >>> broker.host, broker.port, broker.tls, broker.user
    ('broker.example', 8883, True, 'onset')
    """

    host: str
    port: int
    tls: bool
    user: str | None
    password: str | None

    @classmethod
    def at(cls, url: str, password: str | None = None) -> Broker:
        """Read an address such as ``mqtt://user@host:1883``."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise InvalidInput(f"{url!r} is no address: {error}") from None
        if parts.scheme not in PORTS or not parts.hostname:
            raise InvalidInput(f"{url!r} must be mqtt://host or mqtts://host")
        if parts.password is not None:
            raise InvalidInput("no password in an address: ONSET_MQTT_PASSWORD has it")
        user = None if parts.username is None else unquote(parts.username)
        tls = parts.scheme == "mqtts"
        return cls(parts.hostname, port or PORTS[parts.scheme], tls, user, password)


class Bridge:
    """Between one broker and one service.

    Parameters
    ----------
    broker : Broker
    client_id : str
        The broker keeps what this one missed.
    readings, events : Topics
        Where devices publish, and where they and others hear; None: nobody does.
    open_stream : callable
        Opens the stream of a device, with what is to be called for each message.
    most_devices : int > 0
        Messages of further devices are dropped, and counted.
    """

    def __init__(
        self,
        broker: Broker,
        client_id: str,
        readings: Topics,
        events: Topics | None,
        open_stream: Callable[[str, str, Callable[[Any], None]], Any],
        *,
        most_devices: int = 1000,
        counts: Counts | None = None,
    ) -> None:
        self.counts = counts or Counts()
        self._broker = broker
        self._client_id = client_id
        self._readings = readings
        self._events = events
        self._open_stream = open_stream
        self._most_devices = most_devices
        self._devices: dict[str, tuple[Device, asyncio.Task[None]]] = {}
        self._order: deque[Held] = deque()
        self._before: dict[int, Held] = {}
        self._session = 0
        self._client: Client | None = None
        self.subscribed = asyncio.Event()

    async def run(self) -> None:
        """Work until cancelled; what is not durable is delivered again next time.

        Raises
        ------
        Unauthenticated
            If the broker refuses the user.
        """
        loop = asyncio.get_running_loop()
        refused: asyncio.Future[None] = loop.create_future()
        self._client = client = self._made(loop, refused)
        client.connect_async(self._broker.host, self._broker.port, keepalive=30)
        client.loop_start()
        try:
            while not refused.done():
                await asyncio.wait([refused], timeout=LOOK_SECONDS)
                self._look(loop.time())
            refused.result()
        finally:
            tasks = [task for _, task in self._devices.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            client.disconnect()
            await asyncio.to_thread(client.loop_stop)

    def _made(
        self, loop: asyncio.AbstractEventLoop, refused: asyncio.Future[None]
    ) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            clean_session=False,
            manual_ack=True,
        )
        client.max_queued_messages_set(MOST_TO_TELL)
        client.reconnect_delay_set(RECONNECT_SECONDS, 30)
        if self._broker.user is not None:
            client.username_pw_set(self._broker.user, self._broker.password)
        if self._broker.tls:
            client.tls_set()

        # These are called by the thread of the client: each hands over to the loop.
        def connected(
            _client: Client, _data: object, _flags: object, why: Any, _more: object
        ) -> None:
            if why.is_failure:
                loop.call_soon_threadsafe(self._not_connected, refused, str(why))
            else:
                loop.call_soon_threadsafe(self._connected)
                client.subscribe(self._readings.filter, qos=1)

        def subscribed(*_all: object) -> None:
            loop.call_soon_threadsafe(self.subscribed.set)

        def disconnected(*said: Any) -> None:
            loop.call_soon_threadsafe(log.info, "line to the broker ended: %s", said[3])

        def arrived(_client: Client, _data: object, message: MQTTMessage) -> None:
            loop.call_soon_threadsafe(self._arrived, message)

        client.on_connect = connected
        client.on_subscribe = subscribed
        client.on_disconnect = disconnected
        client.on_message = arrived
        return client

    def _not_connected(self, refused: asyncio.Future[None], why: str) -> None:
        log.warning("the broker refuses: %s", why)
        if not refused.done() and why.lower().startswith(("not auth", "bad user")):
            fault = f"the broker refuses user {self._broker.user!r}: {why}"
            refused.set_exception(Unauthenticated(fault))

    def _connected(self) -> None:
        """Begin a session: numbers of the last one mean nothing in acknowledgements."""
        self._session += 1
        self._before = {held.number: held for held in self._order}
        self._order.clear()

    def _arrived(self, message: MQTTMessage) -> None:
        held = self._hold(message) if message.qos else None
        if held is not None and self._before.pop(held.number, None) is held:
            self._settle()  # the broker says again what it was not told we have
            self.counts.count(AGAIN)
            return
        try:
            said = read(bytes(message.payload))
            name = self._readings.device(message.topic)
        except (InvalidInput, UnicodeDecodeError) as error:
            log.warning("message of %r: %s", message.topic, error)
            self._drop(held, MALFORMED)
            return
        device = None if name is None else self._device(name)
        if device is None:
            self._drop(held, REFUSED)
        else:
            device.take(said, held)

    def _hold(self, message: MQTTMessage) -> Held:
        mark = zlib.crc32(message.payload, zlib.crc32(message.topic.encode()))
        held = self._before.get(message.mid) if message.dup else None
        if held is None or held.print != mark:
            now = asyncio.get_running_loop().time()
            held = Held(message.mid, self._session, now, mark)
        held.session = self._session
        self._order.append(held)
        self.counts.unacknowledged.set(len(self._order))
        return held

    def _device(self, name: str) -> Device | None:
        known = self._devices.get(name)
        if known is not None:
            return known[0]
        if len(self._devices) >= self._most_devices:
            log.warning("device %s: there are %d already", name, self._most_devices)
            return None

        def told(said: Any) -> None:
            self._tell(name, said)

        opened: Open = lambda device, boot: self._open_stream(device, boot, told)  # noqa: E731
        device = Device(name, opened, self._done, self.counts)
        self._devices[name] = device, asyncio.create_task(device.run())
        self.counts.devices.set(len(self._devices))
        return device

    def _drop(self, held: Held | None, outcome: str) -> None:
        self.counts.count(outcome)
        if held is not None:
            held.done = True
            self._settle()

    def _done(self, _held: Held) -> None:
        self._settle()

    def _settle(self) -> None:
        """Acknowledge what is done, in the order of arrival."""
        while self._order and self._order[0].done:
            held = self._order.popleft()
            if self._client is not None and held.session == self._session:
                self._client.ack(held.number, 1)
        self.counts.unacknowledged.set(len(self._order))

    def _look(self, now: float) -> None:
        """Let nobody wait for ever, and forget who says nothing any more."""
        while self._order and now - self._order[0].said_at > HOLD_SECONDS:
            self._order[0].done = True
            self.counts.early.inc()
            self._settle()
        for name, (device, task) in list(self._devices.items()):
            if device.idle and now - device.heard_at > IDLE_SECONDS:
                task.cancel()
                del self._devices[name]
        self.counts.devices.set(len(self._devices))

    def _tell(self, device: str, said: Any) -> None:
        if self._events is None or self._client is None:
            return
        text = msgspec.json.encode(said)
        sent = self._client.publish(self._events.of(device), text, qos=1)
        full = sent.rc == MQTTErrorCode.MQTT_ERR_QUEUE_SIZE
        (self.counts.untold if full else self.counts.told).inc()
