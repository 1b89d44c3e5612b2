"""Runs the examples of the documentation.

The words after the three backticks decide:

    ```python run            a program of its own
    ```python run server     the same beside a running `onset serve`
    ```sh run server         a shell script, in the checkout, stops at the first error

The examples say `http://127.0.0.1:8000` and find the admin key in `ONSET_KEY`; the
test puts the address of its own server in.  A block that could run but is not meant to
says so with the word `shown`.
"""

import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.docs.pages import CHECKOUT, Block, blocks

START_SECONDS = 180.0  # where kernels have changed they are compiled first
pytestmark = pytest.mark.timeout(2 * START_SECONDS)
RUNNABLE = [block for block in blocks() if "run" in block.words]


@dataclass(frozen=True)
class Server:
    port: int
    key: str


@pytest.fixture(scope="module")
def server(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A running `onset serve` that all examples speak to, one after another."""
    folder = tmp_path_factory.mktemp("examples")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    key = f"ons_{secrets.token_urlsafe(24)}"
    environment = os.environ | {
        "DATABASE_URL": module_database_url,
        "ONSET_ADMIN_KEY": key,
        "ONSET_DATA_DIR": str(folder / "data"),
        "ONSET_MODELS_DIR": str(folder / "models"),
        "ONSET_PORT": str(port),
    }
    log = folder / "serve.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [Path(sys.prefix) / "bin" / "onset", "serve"],
            env=environment,
            cwd=CHECKOUT,
            stdout=output,
            stderr=output,
        ) as process,
    ):
        try:
            wait_until_ready(process, port, log)
            yield Server(port, key)
        finally:
            process.terminate()


def wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            urllib.request.urlopen(
                f"http://127.0.0.1:{port}/health/ready", timeout=5
            ).close()
        except (urllib.error.URLError, ConnectionError):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        else:
            return


def run(block: Block, folder: Path, server: Server | None) -> None:
    text, environment = block.text, dict(os.environ)
    environment["PATH"] = f"{sys.prefix}/bin:{environment['PATH']}"
    if server is not None:
        text = text.replace("127.0.0.1:8000", f"127.0.0.1:{server.port}")
        environment["ONSET_KEY"] = server.key
        environment["ONSET_URL"] = f"http://127.0.0.1:{server.port}"
    command = [sys.executable, "-c"] if block.words[0] == "python" else ["sh", "-euc"]
    done = subprocess.run(
        [*command, text],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, f"{block}\n{text}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("block", RUNNABLE, ids=str)
def test_example_runs(
    block: Block, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    needed = "server" in block.words
    server = request.getfixturevalue("server") if needed else None
    folder = tmp_path if block.words[0] == "python" else CHECKOUT
    run(block, folder, server)


def test_every_example_is_run_or_says_why_not() -> None:
    could = [block for block in blocks() if block.words[:1] in [("python",), ("sh",)]]
    silent = [str(block) for block in could if not {"run", "shown"} & set(block.words)]
    assert silent == []
    assert [str(b) for b in blocks() if b.words[:1] in [("bash",), ("console",)]] == []
