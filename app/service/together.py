"""Calls that come at the same time, done as one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")

MOST = 500
"""Calls in one round: what a transaction does in about 50 ms."""
A_TURN = 16
"""Callers that go on in one turn of the loop: what each does with its answer must not
hold everybody else up, and a storm of devices has hundreds."""


class Together(Generic[Asked, Answer]):
    """Gathers what is asked while a round is under way, and asks it in the next one.

    A single call begins at once, so nobody waits for company; a storm of them costs a
    few transactions, not one each.

    Parameters
    ----------
    work : async function of what is asked
        Returns an answer for each, in order; an exception as an answer is raised for
        the one who asked.  What it raises itself, all of the round get.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Asked]], Awaitable[Sequence[Answer | Exception]]],
    ) -> None:
        self._work = work
        self._waiting: list[tuple[Asked, asyncio.Future[Answer]]] = []
        self._rounds: asyncio.Task[None] | None = None

    async def __call__(self, asked: Asked) -> Answer:
        """Ask, and wait for the answer."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, answer))
        if self._rounds is None:
            self._rounds = asyncio.create_task(self._run())
        return await answer

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                # whoever has gone meanwhile is not asked for
                batch = [(a, f) for a, f in batch if not f.done()]
                if batch:
                    await self._round(batch)
        finally:
            self._rounds = None

    async def _round(self, batch: list[tuple[Asked, asyncio.Future[Answer]]]) -> None:
        try:
            said = await self._work([asked for asked, _ in batch])
        except Exception as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        except asyncio.CancelledError:
            for _, future in batch:
                future.cancel()
            raise
        for place, ((_, future), answer) in enumerate(zip(batch, said, strict=True)):
            if place % A_TURN == A_TURN - 1:
                await asyncio.sleep(0)
            if future.done():
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
