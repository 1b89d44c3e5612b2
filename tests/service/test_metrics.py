"""What the service says of itself."""

import asyncio

from app.service.metrics import Metrics


async def test_a_task_that_is_left_behind_is_counted():
    registry = Metrics().registry
    before = registry.get_sample_value("onset_tasks")
    left = asyncio.create_task(asyncio.sleep(60))
    assert registry.get_sample_value("onset_tasks") == before + 1
    left.cancel()


def test_tasks_can_be_asked_for_where_there_is_no_loop():
    assert Metrics().registry.get_sample_value("onset_tasks") == 0
