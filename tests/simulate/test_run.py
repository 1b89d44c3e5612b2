"""A device that is refused is told in one sentence, however many play."""

import asyncio
from types import SimpleNamespace
from typing import Any, Self

import pytest

from app.errors import Superseded
from app.simulate import run


class NoSite:
    """A site that nobody asks anything."""

    def __init__(self, *_: object) -> None:
        pass

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass


async def test_a_refused_device_ends_the_run_with_its_own_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refused() -> None:
        raise Superseded("another connection took the stream over")

    class Playing(run.Run):
        async def _declare(self, site: Any) -> None:
            pass

        async def _forget_keys(self, site: Any) -> None:
            pass

        async def _play(self, site: Any, operator: Any) -> None:
            async with asyncio.TaskGroup(), asyncio.TaskGroup() as playing:
                playing.create_task(refused())

    monkeypatch.setattr(run, "Site", NoSite)
    source = SimpleNamespace(endless=True)
    line = SimpleNamespace(url="http://nowhere")
    wish: Any = SimpleNamespace(
        source=source, line=line, key="k", share=0.0, delay_seconds=0.0
    )
    with pytest.raises(Superseded, match="took the stream over"):
        await Playing(wish, print).play()
