"""`onset up` as a user starts it: real processes, a real database, signals."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from app.simulate.signals import generate, pack

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc"),
    pytest.mark.timeout(180),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two short recordings with their truth."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    lines = ["recording,label,start,end"]
    for n in (1, 2):
        made = generate(
            pack("arm-band"), f"d{n}", "", 60.0, np.random.default_rng((8, n))
        )
        columns = dict(zip(made.channels, made.values.T, strict=True))
        parquet.write_table(
            pa.table({"t": made.t, **columns}), folder / f"d{n}.parquet"
        )
        lines += [f"d{n},{e.label},{e.start},{e.end}" for e in made.truth]
    (folder / "events.csv").write_text("\n".join(lines))
    return folder


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start `onset up` in a data folder of the test's own."""
    started: list[subprocess.Popen[str]] = []
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {k: v for k, v in os.environ.items() if k != "DATABASE_URL"} | {
        "ONSET_DATA_DIR": str(tmp_path / "data"),
        "ONSET_MODELS_DIR": str(tmp_path / "models"),
        "ONSET_PORT": str(port),
    }

    def start(*words: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "app.cli", "up", *map(str, words)]
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def read_until(process: subprocess.Popen[str], words: str) -> str:
    """Read what is said up to the line that holds `words`."""
    said = ""
    assert process.stdout
    for line in process.stdout:
        said += line
        if words in line:
            return said
    pytest.fail(f"never said {words!r}:\n{said}")


def children(process: subprocess.Popen[str]) -> dict[int, str]:
    """Children of a process by number, with their command lines."""
    numbers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return {
        int(n): Path(f"/proc/{n}/cmdline").read_text().replace("\0", " ")
        for n in numbers.split()
    }


def wait_until_gone(numbers: dict[int, str], seconds: float = 60.0) -> None:
    """Wait until none of these processes runs any more."""
    deadline = time.monotonic() + seconds
    while left := {n: c for n, c in numbers.items() if runs(n)}:
        if time.monotonic() > deadline:
            pytest.fail(f"still running: {left}")
        time.sleep(0.1)


def runs(number: int) -> bool:
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def test_all_is_played_and_scored_though_the_service_is_killed(
    up, folder: Path, tmp_path: Path
):
    report = tmp_path / "report.json"
    play = ("--recordings", folder, "--speed", 20, "--report", report)
    begun = time.monotonic()
    process = up(*play, "--exit-when-done")
    read_until(process, "first event stored")
    assert time.monotonic() - begun < 60  # 6 s on a quiet machine, a new database too
    family = children(process)
    (service,) = (n for n, command in family.items() if " serve " in command)
    os.kill(service, signal.SIGKILL)
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 0
    assert "serve was killed by signal 9" in said
    whole = msgspec.json.decode(report.read_bytes())[-1]
    assert whole["true"] == (folder / "events.csv").read_text().count("\n")
    assert whole["f1"] > 0.8
    wait_until_gone(family)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_running(up, folder: Path, number: signal.Signals):
    process = up("--recordings", folder)
    read_until(process, "devices play")
    family = children(process)
    assert len(family) == 4  # Postgres, service, trainer, devices
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == (0 if number is signal.SIGINT else -number)
    wait_until_gone(family)
