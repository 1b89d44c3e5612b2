"""A killed service is back soon: it loads nothing that it does not serve with."""

import subprocess
import sys
from contextlib import nullcontext
from importlib import import_module

import psycopg
import pytest
from pydantic import SecretStr

from app.cli import database
from app.errors import Unavailable
from app.loading import without
from app.settings import Settings

NOT_AT_ONCE = {
    "app.api.application",  # and all routes
    "fastapi",
    "httpx",
    "onnxruntime",
    "scipy.stats",
    "sklearn",
    "skl2onnx",
    "joblib",
    "alembic",
    "rich",
    "scipy.linalg",
}


def test_a_service_starts_without_what_no_device_waits_for():
    code = (
        "import sys; from app import cli; cli.build(['serve']);"
        "from app.domain.compiled import loadable; loadable(); print(*sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    loaded = set(run.stdout.decode().split())
    assert not loaded & NOT_AT_ONCE
    assert "numba.np.arraymath" in loaded  # with which a first kernel would come


def test_what_was_left_out_can_be_loaded_afterwards():
    with without("tabnanny"), pytest.raises(ModuleNotFoundError):
        import_module("tabnanny")
    assert import_module("tabnanny").__name__ == "tabnanny"
    with without("tabnanny"):
        assert import_module("tabnanny")


@pytest.mark.parametrize("why", database.STARTING)
def test_a_database_that_recovers_is_waited_for(why: str, monkeypatch):
    answers = [psycopg.OperationalError(f"connection failed: FATAL:  {why}")] * 2
    waits: list[float] = []

    def connect(url: str, **_: object) -> nullcontext[None]:
        if answers:
            raise answers.pop()
        return nullcontext()

    monkeypatch.setattr(database.psycopg, "connect", connect)
    monkeypatch.setattr(database.time, "sleep", waits.append)
    assert database.unreachable("postgresql://there/db") == ""
    assert len(waits) == 2


def test_a_starting_service_waits_for_a_database_that_is_not_there_yet(monkeypatch):
    answers = [psycopg.OperationalError("connection failed: Connection refused")] * 2

    def connect(url: str, **_: object) -> nullcontext[None]:
        if answers:
            raise answers.pop()
        return nullcontext()

    monkeypatch.setattr(database.psycopg, "connect", connect)
    monkeypatch.setattr(database, "upgrade", lambda url: None)
    settings = Settings(database_url=SecretStr("postgresql://there/db"))
    with database.available(settings) as url:
        assert url == "postgresql://there/db"
    assert not answers


def test_a_database_that_refuses_the_role_is_not_waited_for(monkeypatch):
    refusal = 'connection failed: FATAL:  password authentication failed for user "x"'

    def connect(url: str, **_: object) -> nullcontext[None]:
        raise psycopg.OperationalError(refusal)

    monkeypatch.setattr(database.psycopg, "connect", connect)
    assert database.unreachable("postgresql://there/db", patience=3600) == refusal


def test_a_database_that_breaks_off_while_a_service_starts_is_said_in_one_sentence(
    monkeypatch,
):
    def upgrade(url: str) -> None:
        raise psycopg.OperationalError("the connection is lost\nmore of it")

    monkeypatch.setattr(database, "unreachable", lambda url, **_: "")
    monkeypatch.setattr(database, "upgrade", upgrade)
    settings = Settings(database_url=SecretStr("postgresql://there/db"))
    with (
        pytest.raises(Unavailable, match=r"broke off: the connection is lost$"),
        database.available(settings),
    ):
        pass


def test_a_database_that_is_not_there_is_said_at_once(monkeypatch):
    def connect(url: str, **_: object) -> nullcontext[None]:
        raise psycopg.OperationalError("connection refused\nat secret@there")

    monkeypatch.setattr(database.psycopg, "connect", connect)
    assert database.unreachable("postgresql://there/db") == "connection refused"
