"""Calls that come at the same time are one round."""

import asyncio

import pytest

from app.service.together import A_TURN, MOST, Together


async def test_what_comes_during_a_round_is_asked_in_the_next_one():
    rounds: list[list[int]] = []
    gate = asyncio.Event()

    async def work(asked):
        rounds.append(list(asked))
        await gate.wait()
        return [2 * n for n in asked]

    together = Together(work)
    calls = [asyncio.create_task(together(0))]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    calls += [asyncio.create_task(together(n)) for n in range(1, MOST + 3)]
    await asyncio.sleep(0)
    gate.set()
    assert await asyncio.gather(*calls) == [2 * n for n in range(MOST + 3)]
    assert [len(one) for one in rounds] == [1, MOST, 2]


async def test_each_gets_its_own_error_and_all_that_of_the_round():
    async def work(asked):
        if "worst" in asked:
            raise OSError("away")
        return [KeyError(one) if one == "bad" else one.upper() for one in asked]

    together = Together(work)
    said = await asyncio.gather(
        *(together(one) for one in ("a", "bad", "b")), return_exceptions=True
    )
    assert said[0] == "A"
    assert isinstance(said[1], KeyError)
    assert said[2] == "B"
    said = await asyncio.gather(
        *(together(one) for one in ("a", "worst")), return_exceptions=True
    )
    assert all(isinstance(one, OSError) for one in said)
    assert await together("again") == "AGAIN"


async def test_whoever_has_gone_is_not_asked_for():
    seen: list[str] = []

    async def work(asked):
        seen.extend(asked)
        return asked

    together = Together(work)
    call = asyncio.create_task(together("gone"))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await together("here") == "here"
    assert seen == ["here"]


async def test_few_go_on_in_one_turn_of_the_loop():
    async def work(asked):
        return asked

    together = Together(work)
    calls = [asyncio.create_task(together(n)) for n in range(3 * A_TURN)]
    most = done = 0
    while done < len(calls):
        await asyncio.sleep(0)
        before, done = done, sum(call.done() for call in calls)
        most = max(most, done - before)
    assert 0 < most <= A_TURN
