"""`onset serve` in a process of its own."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

READY_SECONDS = 240.0  # where kernels have changed they are compiled first


class Served:
    """A service on one port, started and stopped as often as a test likes."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.database_url = database_url
        self.models = folder / "models"
        self.key = "ons_dashboard_test_key_of_enough_length_0000"
        self._log = folder / "serve.log"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._environment = os.environ | {
            "DATABASE_URL": database_url,
            "ONSET_PORT": str(self.port),
            "ONSET_DATA_DIR": str(folder / "data"),
            "ONSET_MODELS_DIR": str(self.models),
            "ONSET_ADMIN_KEY": self.key,
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def link(self) -> str:
        """What `onset up` prints."""
        return f"{self.url}/#key={self.key}"

    def start(self) -> None:
        command = [sys.executable, "-m", "app.cli", "serve"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, env=self._environment, stdout=log, stderr=log
            )
        end = time.monotonic() + READY_SECONDS
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise AssertionError(self._log.read_text()[-2000:])
            time.sleep(0.05)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def kill(self) -> None:
        """End it without a word, as kill -9 does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _ready(self) -> bool:
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with direct.open(f"{self.url}/health/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False
