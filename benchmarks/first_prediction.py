"""How long a stranger waits: `make run` in this folder until the first prediction.

    python3 -m benchmarks.first_prediction [--within 300]

Continuous integration runs it first, in a clean checkout, so what is timed is the whole
of the README's first command: environment, database, kernels, devices, labels, model.
Needs nothing but Python itself.  Exit status 1 if it takes longer, or ends before.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path


def predicted(url: str, key_file: Path) -> dict | None:
    """Return an event that has a prediction, None while there is none."""
    try:
        key = key_file.read_text().strip()
        asked = urllib.request.Request(
            f"{url}/events?limit=200", headers={"Authorization": f"Bearer {key}"}
        )
        with urllib.request.urlopen(asked, timeout=10) as answer:
            events = json.load(answer)["items"]
    except (OSError, urllib.error.URLError):
        return None
    return next((event for event in events if event["prediction"]), None)


def main() -> int:
    """Start it, look every half second, stop it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--within", type=float, default=300.0, help="seconds")
    within = parser.parse_args().within
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        data, log = Path(folder, "data"), Path(folder, "log")
        settings = {"ONSET_DATA_DIR": data, "ONSET_MODELS_DIR": Path(folder, "models")}
        environment = {k: v for k, v in os.environ.items() if k != "DATABASE_URL"}
        began = time.monotonic()
        with log.open("wb") as out:
            run = subprocess.Popen(
                ["make", "run", f"ARGS=--port {port}"],
                env=environment | {k: str(v) for k, v in settings.items()},
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        found = None
        while not found and run.poll() is None and time.monotonic() - began < within:
            time.sleep(0.5)
            found = predicted(f"http://127.0.0.1:{port}", data / "admin.key")
        seconds = time.monotonic() - began
        ended = run.poll()
        if ended is None:
            os.killpg(run.pid, signal.SIGINT)
            try:
                run.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(run.pid, signal.SIGKILL)
        if found:
            print(f"make run: {seconds:.0f} s to the first prediction")
        else:
            print(
                f"make run: no prediction in {seconds:.0f} s, status {ended}; it said:"
            )
            print(log.read_text(errors="replace")[-4000:])
        return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
