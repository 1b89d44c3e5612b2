"""Readings on which a detector failed can be looked at."""

import numpy as np
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain import SetAside
from app.store import quarantine
from tests.api.caller import Caller, require_problem
from tests.service.recorded import record


async def test_what_was_set_aside_is_listed_with_its_reason(
    api: dict[str, Caller], engine: AsyncEngine
) -> None:
    async with engine.begin() as conn:
        await record(engine, 1)
        one = SetAside(7, np.array([1.5, np.nan], np.float32), 9.0, "ValueError: no")
        await quarantine.insert(conn, [("arm-1", "b1", 1, one)])
    answer = await api["viewer"]("GET", "/quarantine", params={"device": "arm-1"})
    assert answer.status_code == 200, answer.text
    (item,) = answer.json()["items"]
    assert item.pop("at")
    assert item == {
        "device": "arm-1",
        "boot": "b1",
        "seq": 7,
        "detector_version": 1,
        "values": [1.5, None],
        "time": 9.0,
        "why": "ValueError: no",
    }
    others = await api["viewer"]("GET", "/quarantine", params={"device": "arm-2"})
    assert others.json()["items"] == []
    require_problem(await api["viewer"]("GET", "/quarantine", params={"limit": 0}), 422)
