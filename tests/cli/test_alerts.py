"""`onset alerts`, against a service that only listens."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import build
from app.cli.rest import Service

ALERT = {
    "id": 7,
    "name": "a fist",
    "on": "event",
    "device": "band-7",
    "all_devices": False,
    "label": "fist",
    "probability": 0.934,
    "sentence": None,
    "count": 3,
    "opened_at": "2026-01-02T03:04:05.000000Z",
    "ended_at": None,
    "acknowledged": None,
}
RULE = {
    "id": 2,
    "name": "quiet",
    "on": "silence",
    "device": None,
    "profile": "arm",
    "label": None,
    "min_probability": None,
    "unknown": None,
    "silence_seconds": 60.0,
    "cooldown_seconds": 300.0,
    "group_by": "device",
    "enabled": True,
}
runner = CliRunner()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, Any]]:
    said: list[tuple[str, str, Any]] = []

    def call(self: Service, method: str, path: str, **body: Any) -> Any:
        said.append((method, path, body.get("json") or body.get("params")))
        if method == "GET":
            items = [RULE] if path.endswith("rules") else [ALERT]
            return {"items": items, "next_cursor": None}
        return RULE | {"acknowledged": {"by": "ann"}}

    monkeypatch.setattr(Service, "call", call)
    return said


def run(*words: str) -> str:
    done = runner.invoke(build(["alerts"]), ["alerts", *words])
    assert done.exit_code == 0, done.output
    return done.output


def test_alerts_are_listed_for_people_and_for_programs(
    asked: list[tuple[str, str, Any]],
) -> None:
    said = run("list")
    for word in ("a fist", "band-7", "fist (0.93)", "3"):
        assert word in said
    assert asked[0][2]["acknowledged"] == "false"
    assert json.loads(run("list", "--all", "--json")) == ALERT
    assert asked[1][2]["acknowledged"] is None
    assert "300 s a device" in run("rules")


def test_rules_come_and_go_and_alerts_are_acknowledged(
    asked: list[tuple[str, str, Any]],
) -> None:
    assert run("add", "quiet", "--on", "silence", "--silence", "60") == (
        "rule 2: quiet\n"
    )
    assert "ann looks after it" in run("ack", "7", "--note", "soon")
    assert run("remove", "2") == "rule 2 is gone\n"
    (_, path, body), ack, remove = asked
    assert (path, body["silence_seconds"]) == ("/alerts/rules", 60.0)
    assert ack == ("POST", "/alerts/7/ack", {"note": "soon"})
    assert remove[:2] == ("DELETE", "/alerts/rules/2")
