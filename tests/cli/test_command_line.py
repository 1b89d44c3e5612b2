import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from app.cli import COMMANDS, build, main
from app.cli.rest import Refused, Service

runner = CliRunner()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str):
    said = runner.invoke(build([name]), [name, "--help"])
    assert said.exit_code == 0
    assert "Usage" in said.output


def test_wrong_usage_is_exit_code_2():
    assert runner.invoke(build(["label"]), ["label"]).exit_code == 2
    assert runner.invoke(build(["teapot"]), ["teapot"]).exit_code == 2


def test_a_refusal_is_one_line_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(sys, "argv", ["onset", "keys", "list"])
    monkeypatch.setenv("ONSET_PORT", "1")
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == 1
    assert said.startswith("onset: no answer from http://127.0.0.1:1")
    assert said.count("\n") == 1


def test_a_command_loads_nothing_of_the_others():
    code = (
        "import sys; from app.cli import build; build(['label']);"
        "print([m for m in ('sklearn', 'fastapi', 'sqlalchemy') if m in sys.modules])"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "[]"


def test_why_an_event_has_its_class_is_told_in_tables(monkeypatch: pytest.MonkeyPatch):
    weight = {"weight": 0.5, "without": 0.2, "alone": 0.9}
    said = {
        "model_version": 3,
        "sentence": "'fist' with probability 0.93",
        "channels": [{"channel": "emg3", **weight}],
        "parts": [{"from_seconds": 0.0, "to_seconds": 0.25, **weight}],
        "nearest": [{"event": "e2", "label": "fist", "device": "d", "distance": 0.4}],
    }
    asked: list[object] = []

    def call(_self: object, *what: object, params: object) -> object:
        asked.extend((*what, params))
        return said

    monkeypatch.setattr(Service, "call", call)
    words = ["events", "why", "e1", "--model", "3", "--again"]
    told = runner.invoke(build(words), words)
    assert told.exit_code == 0, told.output
    again = {"model_version": 3, "again": "true"}
    assert asked == ["GET", "/events/e1/explanation", again]
    for part in ("v3: 'fist'", "emg3", "0.00 .. 0.25 s", "0.90", "e2", "0.40"):
        assert part in told.output
    assert json.loads(runner.invoke(build(words), [*words, "--json"]).output) == said


def test_a_whole_cluster_is_labelled_by_the_beginning_of_its_id(
    monkeypatch: pytest.MonkeyPatch,
):
    cluster = {
        "id": "3f2a00000000",
        "size": 2,
        "members": ["e1", "e2"],
        "example": {"id": "e1", "device": "d"},
        "tightness": 0.5,
        "guess": "fist",
    }
    asked: list[object] = []

    def call(_self: object, method: str, path: str, json: object = None) -> object:
        asked.append((method, path, json))
        return {"items": [cluster], "looked_at": 9, "alone": 7}

    monkeypatch.setattr(Service, "call", call)
    words = ["clusters", "arm"]
    listed = runner.invoke(build(words), words).output
    for part in ("3f2a00000000", "0.50", "fist", "9 events looked at, 7 like no other"):
        assert part in listed
    told = runner.invoke(build(words), [*words, "--label", "3f2a=pinch"])
    assert told.output == "3f2a00000000: 2 events are pinch\n"
    rows = [{"event": e, "label": "pinch"} for e in ("e1", "e2")]
    assert asked[-1] == ("POST", "/labels", {"labels": rows})
    for wrong in ("9=pinch", "pinch", "3f2a="):
        failed = runner.invoke(build(words), [*words, "--label", wrong])
        assert isinstance(failed.exception, Refused)
