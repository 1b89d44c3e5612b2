"""A killed service is back soon: it loads nothing that it does not serve with."""

import subprocess
import sys
from contextlib import nullcontext

import psycopg
import pytest

from app.cli import database

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
}


def test_a_service_starts_without_what_no_device_waits_for():
    code = "import sys; from app import cli; cli.build(['serve']); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    loaded = set(run.stdout.decode().split())
    assert not loaded & NOT_AT_ONCE


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


def test_a_database_that_is_not_there_is_said_at_once(monkeypatch):
    def connect(url: str, **_: object) -> nullcontext[None]:
        raise psycopg.OperationalError("connection refused\nat secret@there")

    monkeypatch.setattr(database.psycopg, "connect", connect)
    assert database.unreachable("postgresql://there/db") == "connection refused"
