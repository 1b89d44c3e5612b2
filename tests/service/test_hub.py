import asyncio

import pytest

from app.service.notify.hub import Hub, Message, SlowReader, only


async def test_each_subscriber_hears_each_message_in_order():
    hub = Hub()
    with hub.subscribe() as one, hub.subscribe() as two:
        for n in range(3):
            hub.publish(Message("event", n))
        assert [(await anext(one)).data for _ in range(3)] == [0, 1, 2]
        assert [(await anext(two)).data for _ in range(3)] == [0, 1, 2]


async def test_a_subscriber_hears_only_what_it_wants():
    hub = Hub()
    with hub.subscribe(wanted=only("label")) as subscription:
        hub.publish(Message("event", 1))
        hub.publish(Message("label", 2))
        assert (await anext(subscription)).data == 2


async def test_a_slow_reader_is_dropped_and_slows_nobody():
    hub = Hub(queue_messages=5)
    with hub.subscribe() as slow, hub.subscribe() as quick:
        for n in range(6):
            hub.publish(Message("event", n))
            assert (await anext(quick)).data == n
        with pytest.raises(SlowReader, match="more than 5 messages"):
            await anext(slow)


async def test_a_dropped_reader_costs_nothing_more_and_one_wish_is_asked_once():
    asked = 0

    def wanted(_: Message) -> bool:
        nonlocal asked
        asked += 1
        return True

    hub = Hub(queue_messages=1)
    with hub.subscribe(wanted=wanted), hub.subscribe(wanted=wanted):
        hub.publish(Message("event", 1))
        hub.publish(Message("event", 2))
        assert asked == 2
        assert not hub.wanted("live")
        hub.publish(Message("event", 3))
    assert asked == 2


async def test_a_waiting_subscriber_is_woken():
    hub = Hub()
    with hub.subscribe() as subscription:
        waiting = asyncio.create_task(anext(subscription))
        await asyncio.sleep(0)
        hub.publish(Message("event", 7))
        assert (await waiting).data == 7


async def test_topics_are_separate_and_leave_nothing_behind():
    hub = Hub()
    with hub.subscribe("signal:a") as subscription:
        hub.publish(Message("signal", "b"), topic="signal:b")
        hub.publish(Message("signal", "a"), topic="signal:a")
        assert (await anext(subscription)).data == "a"
        assert hub.wanted("signal:a")
    assert not hub.wanted("signal:a")
