from pathlib import Path

import pytest

from app.cli import configuration
from app.errors import InvalidInput
from app.store import private


def test_the_command_line_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ONSET_PORT", "9001")
    assert configuration.load().port == 9001
    assert configuration.load(port=9002, host=None).port == 9002


def test_a_bad_setting_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ONSET_PORT", "s3cret")
    with pytest.raises(InvalidInput, match="ONSET_PORT: ") as refused:
        configuration.load()
    assert "s3cret" not in str(refused.value)


def test_secrets_are_masked(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ONSET_ADMIN_KEY", "ons_s3cret")
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:s3cret@h/d")
    shown = configuration.masked(configuration.load())
    assert "s3cret" not in str(shown)
    assert shown["DATABASE_URL"] == shown["ONSET_ADMIN_KEY"] == "(set, hidden)"


def test_children_see_the_same_settings(monkeypatch: pytest.MonkeyPatch):
    settings = configuration.load(port=9003, admin_key="ons_s3cret")
    for name, value in configuration.environment(settings).items():
        monkeypatch.setenv(name, value)
    assert configuration.load() == settings


def test_private_files_are_for_their_owner(tmp_path: Path):
    path = tmp_path / "new" / "database.url"
    private.write(path, "postgresql://")
    assert path.stat().st_mode & 0o777 == 0o600
    assert configuration.read_private(path) == "postgresql://"
    assert configuration.read_private(tmp_path / "absent") is None


def test_a_service_that_listens_everywhere_is_reached_on_this_machine():
    assert configuration.address(configuration.load(host="0.0.0.0", port=8000)) == (
        "http://127.0.0.1:8000"
    )
