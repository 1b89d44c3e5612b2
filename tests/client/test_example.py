"""The 15-line device of the documentation."""

import runpy
from pathlib import Path

import pytest

from tests.client.service import KEY, running

EXAMPLE = Path(__file__).parents[2] / "examples" / "device.py"


async def test_the_example_streams_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONSET_KEY", KEY)
    device = runpy.run_path(str(EXAMPLE))
    async with running() as service:
        await device["main"](service.url, "d", n_readings=5)
    ((_, row),) = service.store.items()
    assert row.watermark == 5
