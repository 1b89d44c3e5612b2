"""Who wants to hear what just happened, inside one process.

A publisher never waits: each subscriber has a bounded queue, and one that does not
keep up is dropped and told so (`SlowReader`); it reads what it missed by cursor.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from app.errors import OnsetError

QUEUE_MESSAGES = 1000
"""A dashboard that is this far behind sees nothing that a person could follow."""


class SlowReader(OnsetError):
    """The subscriber did not keep up and was dropped."""


@dataclass(frozen=True, slots=True)
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


class Subscription:
    """The messages of one subscriber, oldest first."""

    def __init__(self, kinds: Collection[str] | None, limit: int) -> None:
        self._kinds = kinds
        self._limit = limit
        self._queue: deque[Message] = deque()
        self._wake = asyncio.Event()
        self._dropped = False

    def put(self, message: Message) -> None:
        """Add a message, or drop the subscriber if it is `limit` behind."""
        if self._dropped or (self._kinds and message.kind not in self._kinds):
            return
        if len(self._queue) >= self._limit:
            self._dropped = True
            self._queue.clear()
        else:
            self._queue.append(message)
        self._wake.set()

    def __aiter__(self) -> AsyncIterator[Message]:
        return self

    async def __anext__(self) -> Message:
        while not self._queue:
            if self._dropped:
                raise SlowReader(f"more than {self._limit} messages behind")
            self._wake.clear()
            await self._wake.wait()
        return self._queue.popleft()


class Hub:
    """Hands each published message to every subscriber of its topic."""

    def __init__(self, *, queue_messages: int = QUEUE_MESSAGES) -> None:
        self._limit = queue_messages
        self._subscribers: dict[str, set[Subscription]] = {}

    @contextmanager
    def subscribe(
        self, topic: str = "live", kinds: Collection[str] | None = None
    ) -> Iterator[Subscription]:
        """Subscribe to a topic for as long as the context lasts."""
        subscription = Subscription(kinds, self._limit)
        self._subscribers.setdefault(topic, set()).add(subscription)
        try:
            yield subscription
        finally:
            rest = self._subscribers[topic]
            rest.discard(subscription)
            if not rest:
                del self._subscribers[topic]

    def wanted(self, topic: str) -> bool:
        """Whether anybody listens to a topic."""
        return topic in self._subscribers

    def publish(self, message: Message, topic: str = "live") -> None:
        """Give a message to every subscriber of the topic; never waits."""
        for subscription in self._subscribers.get(topic, ()):
            subscription.put(message)
