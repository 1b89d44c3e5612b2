"""Who wants to hear what just happened, inside one process.

A publisher never waits: each subscriber has a bounded queue, and one that does not
keep up is dropped and told so (`SlowReader`); it reads what it missed by cursor.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from app.errors import OnsetError

QUEUE_MESSAGES = 1000
"""A dashboard that is this far behind sees nothing that a person could follow."""
READERS_A_TURN = 2
"""Some hundred microseconds of work for each reader that is woken."""


class SlowReader(OnsetError):
    """The subscriber did not keep up and was dropped."""


@dataclass(slots=True)
class Message:
    """Something that happened.

    Parameters
    ----------
    kind : str
        ``onset``, ``event``, ``prediction``, ``retract``, ``label``, ``model``,
        ``job``, ``signal``.
    data : Any
        What the kind says; the API turns it into JSON.
    position : int or None
        Commit-ordered cursor of an event; None for what the cursor does not count.
    """

    kind: str
    data: Any
    position: int | None = None
    _written: bytes = field(default=b"", init=False, repr=False, compare=False)

    def written(self, write: Callable[[Message], bytes]) -> bytes:
        """Write it the first time; all its readers get the same bytes."""
        if not self._written:
            self._written = write(self)
        return self._written


class Taker(Protocol):
    """Whoever is given messages; it must not wait."""

    def put(self, message: Message) -> None:
        """Take a message."""


Wanted = Callable[[Message], bool]
"""Which messages somebody wants; those who want the same are asked once."""


@dataclass(frozen=True, slots=True)
class Only:
    """Want messages of some kinds."""

    kinds: frozenset[str]

    def __call__(self, message: Message) -> bool:
        """Whether a message is wanted."""
        return message.kind in self.kinds


def only(*kinds: str) -> Wanted:
    """Want messages of some kinds."""
    return Only(frozenset(kinds))


class Bell:
    """Wakes one reader when its turn comes."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._rung = False
        self._wake = asyncio.Event()

    def ring(self) -> None:
        """Ask that the reader be woken."""
        if not self._rung:
            self._rung = True
            self._turns.add(self._wake)

    async def wait(self) -> None:
        """Sleep until it is; perhaps for nothing."""
        self._rung = False
        self._wake.clear()
        await self._wake.wait()


class Turns:
    """Wakes readers a few in each turn of the loop: devices are heard in between."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Event] = deque()

    def add(self, reader: asyncio.Event) -> None:
        """Let a reader wait for its turn."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._some)
        self._waiting.append(reader)

    def _some(self) -> None:
        for _ in range(min(READERS_A_TURN, len(self._waiting))):
            self._waiting.popleft().set()
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._some)


class Subscription:
    """The messages of one subscriber, oldest first."""

    def __init__(
        self, limit: int, turns: Turns, leave: Callable[[Taker], None]
    ) -> None:
        self._limit = limit
        self._leave = leave
        self._queue: deque[Message] = deque()
        self._bell = Bell(turns)
        self._dropped = False

    def put(self, message: Message) -> None:
        """Add a message, or drop the subscriber if it is `limit` behind."""
        if len(self._queue) >= self._limit:
            self._dropped = True
            self._queue.clear()
            self._leave(self)
        else:
            self._queue.append(message)
        self._bell.ring()

    def __aiter__(self) -> AsyncIterator[Message]:
        return self

    async def __anext__(self) -> Message:
        while not self._queue:
            if self._dropped:
                raise SlowReader(f"more than {self._limit} messages behind")
            await self._bell.wait()
        return self._queue.popleft()

    def rest(self, most: int) -> list[Message]:
        """Return what waits besides, at most so many."""
        queue = self._queue
        return [queue.popleft() for _ in range(min(most, len(queue)))]


class Hub:
    """Hands each published message to every subscriber of its topic that wants it."""

    def __init__(self, *, queue_messages: int = QUEUE_MESSAGES) -> None:
        self._limit = queue_messages
        self.turns = Turns()
        self._takers: dict[str, dict[Wanted | None, set[Taker]]] = {}

    @contextmanager
    def subscribe(
        self, topic: str = "live", wanted: Wanted | None = None
    ) -> Iterator[Subscription]:
        """Subscribe to a topic for as long as the context lasts."""

        def leave(taker: Taker) -> None:
            self.detach(topic, taker, wanted)

        subscription = Subscription(self._limit, self.turns, leave)
        self.attach(topic, subscription, wanted)
        try:
            yield subscription
        finally:
            leave(subscription)

    def attach(self, topic: str, taker: Taker, wanted: Wanted | None = None) -> None:
        """Give somebody the messages of a topic from now on."""
        self._takers.setdefault(topic, {}).setdefault(wanted, set()).add(taker)

    def detach(self, topic: str, taker: Taker, wanted: Wanted | None = None) -> None:
        """Give them no more; nothing happens where they get none."""
        wishes = self._takers.get(topic, {})
        rest = wishes.get(wanted, set())
        rest.discard(taker)
        if not rest:
            wishes.pop(wanted, None)
        if not wishes:
            self._takers.pop(topic, None)

    def wanted(self, topic: str) -> bool:
        """Whether anybody listens to a topic."""
        return topic in self._takers

    @property
    def watched(self) -> bool:
        """Whether anybody listens to a topic of its own, such as a device's signal."""
        return len(self._takers) > ("live" in self._takers)

    def publish(self, message: Message, topic: str = "live") -> None:
        """Give a message to everybody who listens to the topic; never waits."""
        for wanted, takers in tuple(self._takers.get(topic, {}).items()):
            if wanted is None or wanted(message):
                for taker in tuple(takers):
                    taker.put(message)
