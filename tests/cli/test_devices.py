"""`onset pause` and `resume`, against a service that only listens."""

from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import build
from app.cli.rest import Service


def test_device_is_paused_with_a_reason_and_resumed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def call(self: Service, method: str, path: str, **body: Any) -> Any:
        asked.append((method, path, body.get("json")))
        return {"paused": {"by": "ann", "reason": "mounting"}}

    monkeypatch.setattr(Service, "call", call)
    runner = CliRunner()
    words = ["pause", "band-7", "--reason", "mounting"]
    said = runner.invoke(build(["pause"]), words).output
    assert said == "band-7 is paused by ann: mounting\n"
    assert runner.invoke(build(["resume"]), ["resume", "band-7"]).exit_code == 0
    assert asked == [
        ("POST", "/devices/band-7/pause", {"reason": "mounting"}),
        ("POST", "/devices/band-7/resume", None),
    ]
