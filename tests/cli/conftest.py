"""A service that answers commands as it is told, and remembers what they asked."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec
import pytest
from click.testing import Result
from typer.testing import CliRunner

from app.cli import build
from app.cli.rest import Service

Answer = Any | tuple[int, Any]


@dataclass
class Told:
    """What the service answers, and what it was asked."""

    answers: dict[str, Any] = field(default_factory=dict)
    """By method and path; a list gives its items one after another, a function of
    the body what it returns."""
    asked: list[tuple[str, str, Any]] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        name = f"{request.method} {request.url.path}"
        body = msgspec.json.decode(request.content) if request.content else None
        self.asked.append((request.method, str(request.url.raw_path, "ascii"), body))
        said = self.answers[name]
        if callable(said):
            said = said(body)
        if isinstance(said, list):
            said = said.pop(0) if len(said) > 1 else said[0]
        status, body = said if isinstance(said, tuple) else (200, said)
        return httpx.Response(status, json=body)

    def page(self, path: str, *items: Any) -> None:
        """Answer a list."""
        self.answers[f"GET {path}"] = {"items": list(items), "next_cursor": None}

    def job(self, path: str, result: Any, error: str | None = None) -> None:
        """Answer a job that is asked for by POST, and ends at the second look."""
        job = {"id": 7, "state": "queued", "progress": 0.0, "stage": "", "error": None}
        self.answers[f"POST {path}"] = 202, job
        running = job | {"state": "running", "progress": 0.5, "stage": "at work"}
        state = "failed" if error else "succeeded"
        done = {"state": state, "progress": 1.0, "result": result, "error": error}
        self.answers["GET /jobs/7"] = [running, running | done]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    service = Told()

    def of(_settings: Any, url: str | None = None) -> Service:
        made = Service(url or "http://onset", "key")
        made._client.close()
        transport = httpx.MockTransport(service)
        made._client = httpx.Client(base_url="http://onset", transport=transport)
        return made

    monkeypatch.setattr(Service, "of", of)
    monkeypatch.setattr("app.cli.jobs.POLL_SECONDS", 0.0)
    return service


@pytest.fixture
def onset() -> Callable[..., Result]:
    """Run a command."""

    def run(*words: str) -> Result:
        return CliRunner().invoke(build(words), list(words))

    return run
