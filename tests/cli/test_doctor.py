"""The doctor names each thing that is broken, and its exit code says so."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

SECRET = "pass-w0rd"


@pytest.fixture
def healthy(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place in which nothing is broken, but for the service that does not run."""
    for name in ("data", "models"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(f"ONSET_{name.upper()}_DIR", str(tmp_path / name))
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("ONSET_ADMIN_KEY", f"ons_{SECRET}")
    monkeypatch.setenv("ONSET_PORT", "1")
    return tmp_path


def broken(said: Result) -> list[str]:
    lines = [line.split() for line in said.output.splitlines()]
    return [" ".join(words[1:]) for words in lines if words[:1] == ["BROKEN"]]


def test_nothing_is_broken_where_nothing_is(
    healthy: Path, onset: Callable[..., Result]
):
    said = onset("doctor")
    assert (broken(said), said.exit_code) == ([], 0), said.output
    assert "the settings" not in said.output
    assert SECRET not in said.output
    assert "ONSET_PORT = 1" in said.output


def test_a_database_that_does_not_answer_is_named(
    healthy: Path, onset: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DATABASE_URL", f"postgresql://onset:{SECRET}@127.0.0.1:1/onset")
    said = onset("doctor")
    (one,) = broken(said)
    assert one.startswith("database:")
    assert said.exit_code == 1
    assert SECRET not in said.output


def test_a_service_that_should_answer_and_does_not_is_named(
    healthy: Path, onset: Callable[..., Result]
):
    said = onset("doctor", "--url", "http://127.0.0.1:1")
    assert [one.partition(":")[0] for one in broken(said)] == ["service"]
    assert said.exit_code == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_the_right_to_write_is_named(
    healthy: Path, onset: Callable[..., Result]
):
    (healthy / "models").chmod(0o500)
    said = onset("doctor")
    assert [one.partition(":")[0] for one in broken(said)] == ["models folder"]


def test_a_folder_that_is_a_file_is_named(
    healthy: Path, onset: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
):
    (healthy / "file").write_text("")
    monkeypatch.setenv("ONSET_MODELS_DIR", str(healthy / "file" / "models"))
    said = onset("doctor")
    assert [one.partition(":")[0] for one in broken(said)] == ["models folder"]
    assert said.exit_code == 1
