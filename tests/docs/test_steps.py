"""The steps of `docs/first-ten-minutes.md`, one after another, as one types them."""

import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import CHECKOUT, blocks
from tests.docs.test_examples import Server, run, wait_until_ready

STEPS = [block for block in blocks() if "step" in block.words]


@pytest.fixture
def everything(database_url: str, tmp_path: Path) -> Iterator[Server]:
    """`onset up --devices 0` beside a database that is there already."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    key = f"ons_{secrets.token_urlsafe(24)}"
    environment = os.environ | {
        "DATABASE_URL": database_url,
        "ONSET_ADMIN_KEY": key,
        "ONSET_DATA_DIR": str(tmp_path / "data"),
        "ONSET_MODELS_DIR": str(tmp_path / "models"),
        "ONSET_PORT": str(port),
    }
    log = tmp_path / "up.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [Path(sys.prefix) / "bin" / "onset", "up", "--devices", "0"],
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


@pytest.mark.timeout(400)
def test_first_ten_minutes_can_be_done(everything: Server, tmp_path: Path) -> None:
    assert len(STEPS) == 9
    for block in STEPS:
        run(block, tmp_path, everything)
