"""Whichever stage is slow is the one that is named, by what `/metrics` counts."""

import base64
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import generate_latest

import app
from app.service import metrics
from app.service.metrics import Metrics

NODE = shutil.which("node")
SCRIPT = Path(app.__file__).parent / "dashboard" / "metrics.js"
SECONDS = 10.0

pytestmark = pytest.mark.skipif(NODE is None, reason="needs Node")


def processor(counted: Metrics, seconds: float, now: list[float]) -> None:
    now[0] += seconds


def classifier(counted: Metrics, seconds: float, _now: list[float]) -> None:
    for _ in range(20):
        counted.classify_seconds.observe(seconds / 20)


def database(counted: Metrics, seconds: float, _now: list[float]) -> None:
    for _ in range(5):
        counted.commit_seconds.observe(seconds / 5)
        counted.commits.inc()


STAGES = {
    "Processor: receive, detect": processor,
    "Classify": classifier,
    "Commit": database,
}


@pytest.mark.parametrize("slow", STAGES)
def test_the_stage_that_is_slow_is_named(slow: str, monkeypatch: pytest.MonkeyPatch):
    now = [0.0]
    monkeypatch.setattr(metrics.time, "process_time", lambda: now[0])
    counted = Metrics()
    before = generate_latest(counted.registry).decode()
    for name, work in STAGES.items():
        work(counted, 9.0 if name == slow else 1.5, now)
    said = narrow(before, generate_latest(counted.registry).decode())
    assert said["worst"] == slow
    assert said["tight"]
    assert (
        said["text"]
        == f"{slow} is the narrow stage: it is at work 90\xa0% of the time."
    )


def test_where_no_stage_is_slow_none_is_called_narrow(monkeypatch: pytest.MonkeyPatch):
    now = [0.0]
    monkeypatch.setattr(metrics.time, "process_time", lambda: now[0])
    counted = Metrics()
    before = generate_latest(counted.registry).decode()
    works: list[Callable[[Metrics, float, list[float]], None]] = [*STAGES.values()]
    for work in works:
        work(counted, 2.0, now)
    said = narrow(before, generate_latest(counted.registry).decode())
    assert not said["tight"]
    assert said["text"].startswith("Nothing is narrow")


def narrow(before: str, after: str) -> dict[str, object]:
    """Ask the page's own code what two looks at `/metrics` say."""
    module = base64.b64encode(SCRIPT.read_bytes()).decode()
    code = f"""
        import {{ parse, load, narrow }} from "data:text/javascript;base64,{module}";
        const [before, after] = {json.dumps([before, after])};
        const said = narrow(load(parse(before), parse(after), {SECONDS}));
        console.log(JSON.stringify({{ ...said, worst: said.worst.name }}));
    """
    done = subprocess.run(
        [str(NODE), "--input-type=module", "-"],
        input=code,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found
