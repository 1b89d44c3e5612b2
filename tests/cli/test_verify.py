"""`onset verify` tells what differs, and its exit code says whether anything does."""

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest
from click.testing import Result

from app.cli.stack import Stack
from app.simulate import trial
from app.simulate.catalogue import CATALOGUE
from tests.cli.conftest import Told

SAME: dict[str, Any] = {
    "verdict": "reproduced",
    "streams": 3,
    "events": 18,
    "events_reproduced": 18,
    "events_not_recorded": 0,
    "predictions": 5,
    "predictions_reproduced": 5,
    "differ": 0,
    "differences": [],
}


def test_what_is_reproduced_is_exit_code_0(told: Told, onset: Callable[..., Result]):
    told.job("/verify", SAME)
    said = onset("verify", "arm", "--device", "arm-1")
    assert said.exit_code == 0
    assert said.output.splitlines()[-1] == (
        "reproduced: 18 of 18 events in 3 recorded streams, 5 of 5 predictions"
    )
    assert told.asked[0] == ("POST", "/verify", {"profile": "arm", "device": "arm-1"})


def test_a_difference_is_told_and_is_exit_code_1(
    told: Told, onset: Callable[..., Result]
):
    one = {
        "what": "event",
        "device": "arm-1",
        "boot": "b1",
        "onset_seq": 120,
        "event": "00000000-0000-0000-0000-000000000007",
        "why": "peak: stored 99.0, again 4.2",
    }
    differs = SAME | {"verdict": "differs", "differ": 3, "differences": [one]}
    told.job("/verify", differs | {"events_not_recorded": 2, "streams": 0})
    said = onset("verify", "arm")
    assert said.exit_code == 1
    where = f"event {one['event']} (arm-1/b1 reading 120): {one['why']}"
    assert where in said.output
    for line in ("... and 2 more", "2 events lie where", "no stream is recorded"):
        assert line in said.output
    told.job("/verify", differs)
    said = onset("verify", "arm", "--json")
    assert said.exit_code == 1
    assert msgspec.json.decode(said.output) == differs


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """A catalogue of two faults, of which the second does harm."""
    asked: list[tuple[str, str]] = []

    async def run(url: str, key: str) -> list[trial.Outcome]:
        asked.append((url, key))
        harm = ("3 readings are stored twice",)
        return [trial.Outcome(CATALOGUE[0], ()), trial.Outcome(CATALOGUE[-1], harm)]

    @contextlib.asynccontextmanager
    async def scaled_down() -> AsyncIterator[Stack]:
        yield Stack("http://own", "own-key")

    monkeypatch.setattr(trial, "run", run)
    monkeypatch.setattr("app.cli.verify.scaled_down", scaled_down)
    monkeypatch.setattr("app.cli.verify.end_on_sigterm", lambda: None)
    return asked


def test_a_fault_that_does_harm_is_told_and_is_exit_code_1(
    tried: list[tuple[str, str]], onset: Callable[..., Result]
):
    said = onset("verify")
    assert said.exit_code == 1
    assert tried == [("http://own", "own-key")]
    assert "3 readings are stored twice" in said.output
    assert said.output.splitlines()[-1] == "1 of 2 faults do what they must"
    said = onset("verify", "--json")
    assert said.exit_code == 1
    assert [one["problems"] for one in msgspec.json.decode(said.output)] == [
        [],
        ["3 readings are stored twice"],
    ]


def test_the_catalogue_runs_against_a_deployment(
    told: Told, tried: list[tuple[str, str]], onset: Callable[..., Result]
):
    onset("verify", "--url", "http://there")
    assert tried == [("http://there", "key")]
    said = onset("verify", "--device", "arm-1")
    assert said.exit_code != 0
    assert len(tried) == 1
