import subprocess
import sys

import pytest
from typer.testing import CliRunner

from app.cli import COMMANDS, build, main

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
