"""`POST /classify` beside the usual ways to serve a scikit-learn forest, in one run.

    python -m benchmarks.classify [--seconds 5] [--connections 16] [--peers FOLDER]

One event of 8 channels, 5 s at 50 Hz, as the vector of its features; the same forest of
100 trees, fitted to the same rows, behind a bare FastAPI route, LitServe (batches of up
to 64, 2 ms) and MLServer; Onset serves its own forest (`extra_trees`, 150 trees).  One
process each, one after the other, asked over kept connections by this process, so
both share the machine.  Beside it, in this process: features and prediction of one
event against the features and the forest alone.

LitServe and MLServer are looked for in an environment of their own, `--peers`, and
installed there by pip if it is not there yet; without them their rows say why.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import joblib
import numpy as np
from sklearn.ensemble import RandomForestClassifier
from threadpoolctl import threadpool_limits

from app import features
from app.client import Onset
from app.domain import Channel, LabelledWindow, Profile, utc
from app.learning import classify
from app.learning.dataset import build
from app.learning.export import export
from app.learning.model import Model
from app.learning.train import train_full
from benchmarks.classify_peers import BARE, LITSERVE, MLSERVER, READY_SECONDS
from benchmarks.place import KEY, free_ports, place

CHANNELS, RATE_HZ, READINGS, ROWS, CLASSES = 8, 50, 250, 240, 4
PACKAGES = {"litserve": ["litserve"], "mlserver": ["mlserver", "mlserver-sklearn"]}
REQUIRED = {"FastAPI": 40, "LitServe": 7, "MLServer": 40}


def window(number: int) -> np.ndarray:
    """Noise with a tone whose frequency is the class."""
    rng = np.random.default_rng(number)
    t = np.arange(READINGS)[:, None] / RATE_HZ
    tone = np.sin(6.28 * (2 + 2 * (number % CLASSES)) * t + rng.uniform(0, 6, CHANNELS))
    return (tone + rng.normal(0, 1, (READINGS, CHANNELS))).astype(np.float32)


async def ask(port: int, request: bytes, until: float, took: list[float]) -> None:
    """Send a request again and again over one connection; note how long each took."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.perf_counter() < until:
        began = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head[:16]:
            raise SystemExit(f"refused: {head[:200]!r}")
        size = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(size)
        took.append(time.perf_counter() - began)
    writer.close()


async def load(port: int, path: str, body: object, asked: argparse.Namespace) -> float:
    """Return requests a second; print the row."""
    said = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(said)}\r\n\r\n"
    )
    request = head.encode() + said
    await ask(port, request, time.perf_counter() + 0.5, [])
    took: list[float] = []
    began = time.perf_counter()
    until = began + asked.seconds
    await asyncio.gather(
        *(ask(port, request, until, took) for _ in range(asked.connections))
    )
    rate = len(took) / (time.perf_counter() - began)
    p50, p99 = np.percentile(np.array(took) * 1e3, [50, 99])
    print(f"{rate:9.0f} /s   p50 {p50:7.2f}   p99 {p99:7.2f} ms", flush=True)
    return rate


@contextmanager
def running(words: list[str], folder: Path, port: int) -> Iterator[None]:
    """Run a server until the block ends; it must listen soon."""
    environment = os.environ | {"PORT": str(port), "PYTHONWARNINGS": "ignore"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            words, cwd=folder, env=environment, stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    told = (folder / "log").read_text(errors="replace")[-300:]
                    raise RuntimeError(f"it does not start: {told}") from None
                time.sleep(0.2)
        time.sleep(1.0)
        yield
    finally:
        process.terminate()
        process.wait(30)


def installed(folder: Path, name: str) -> Path:
    """Return the python of an environment that has a peer, or say why there is none."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    if subprocess.run([python, "-c", f"import {name}"], capture_output=True).returncode:
        wanted = ["scikit-learn", *PACKAGES[name]]
        pip = [python, "-m", "pip", "install", "-q", *wanted]
        done = subprocess.run(pip, capture_output=True, text=True, timeout=900)
        if done.returncode:
            raise RuntimeError(f"pip: {done.stderr.strip().splitlines()[-1]}")
    return python


async def peers(
    vector: np.ndarray, forest: RandomForestClassifier, asked: argparse.Namespace
) -> dict[str, float]:
    """Measure what others serve; those that cannot be had are said to be skipped."""
    rates: dict[str, float] = {}
    row = [float(v) for v in vector]
    tensor = {"name": "x", "shape": [1, len(row)], "datatype": "FP32", "data": row}
    kinds = {
        "FastAPI": (BARE, "", "/predict", {"features": row}),
        "LitServe": (LITSERVE, "litserve", "/predict", {"features": row}),
        "MLServer": (
            MLSERVER,
            "mlserver",
            "/v2/models/forest/infer",
            {"inputs": [tensor]},
        ),
    }
    for name, (files, package, path, body) in kinds.items():
        with tempfile.TemporaryDirectory() as made:
            folder, [port, *others] = Path(made), free_ports(3)
            joblib.dump(forest, folder / "forest.joblib")
            for file, text in files.items():
                for at, number in enumerate((port, *others)):
                    text = text.replace(f"PORT{at}", str(number))
                (folder / file).write_text(text)
            print(f"{name:34}", end="", flush=True)
            try:
                python = Path(sys.executable)
                if package:
                    python = installed(asked.peers, package)
                words = [str(python), "serve.py"]
                with running(words, folder, port):
                    rates[name] = await load(port, path, body, asked)
            except (RuntimeError, subprocess.SubprocessError, OSError) as error:
                print(f" skipped: {error}")
    return rates


async def onset(
    url: str, port: int, vector: np.ndarray, asked: argparse.Namespace
) -> float:
    """Train a forest in the service and measure it; return requests a second."""
    async with Onset(url, KEY) as api:
        channels = [{"name": f"c{n}"} for n in range(CHANNELS)]
        policy = {"every_labels": None, "estimator": "extra_trees", "mode": "full"}
        await api.put_profile(
            "bench", {"channels": channels, "rate_hz": RATE_HZ, "retrain": policy}
        )
        rows = [
            {"profile": "bench", "window": window(n).tolist(), "label": f"k{n % 4}"}
            for n in range(ROWS)
        ]
        for first in range(0, ROWS, 60):
            part = rows[first : first + 60]
            await api.import_events("\n".join(map(json.dumps, part)).encode())
        job = await api.retrain("bench")
        await api.wait_job(job["id"])
        await asyncio.sleep(6)  # the service has looked for the champion
    row = [float(v) for v in vector]
    print(f"{'Onset, features':34}", end="", flush=True)
    rate = await load(port, "/classify", {"profile": "bench", "features": [row]}, asked)
    print(f"{'Onset, the raw window':34}", end="", flush=True)
    raw = {"profile": "bench", "windows": [window(1).tolist()]}
    await load(port, "/classify", raw, asked)
    return rate


def alone(
    vectors: np.ndarray, labels: list[str], forest: RandomForestClassifier
) -> None:
    """Print what one event costs in this process, with Onset and with the forest."""
    profile = Profile(
        "bench", tuple(Channel(f"c{n}") for n in range(CHANNELS)), float(RATE_HZ)
    )

    rows = [
        LabelledWindow(uuid.UUID(int=n), "d", utc(n), window(n), labels[n])
        for n in range(ROWS)
    ]
    dataset = build(profile, rows)
    trained = train_full(dataset, "extra_trees", seed=1, progress=lambda _s, _f: None)
    model = Model.load(*export(trained, profile, dataset))
    event = window(1)

    def timed(do: object, times: int) -> float:
        took = []
        for _ in range(times):
            began = time.perf_counter()
            do()  # type: ignore[operator]
            took.append(time.perf_counter() - began)
        return float(np.median(took)) * 1e6

    with threadpool_limits(1):
        ours = timed(lambda: classify(model, event), 2000)
        theirs = timed(lambda: forest.predict_proba(vectors[1:2]), 200)
    print(
        f"features and prediction, one event: {ours:.0f} us; the forest alone ", end=""
    )
    print(f"{theirs:.0f} us, without features: 1/{theirs / ours:.0f} (aim 1/100)")


def main() -> None:
    """Start everything, measure, stop everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument(
        "--peers", type=Path, default=Path(tempfile.gettempdir()) / "onset-peers"
    )
    asked = parser.parse_args()
    vectors = np.array([features.extract(window(n), RATE_HZ) for n in range(ROWS)])
    labels = [f"k{n % CLASSES}" for n in range(ROWS)]
    forest = RandomForestClassifier(100, random_state=1, n_jobs=1).fit(vectors, labels)
    alone(vectors, labels, forest)
    print(f"{vectors.shape[1]} features, {asked.connections} connections")
    with place("trainer", ONSET_REQUESTS_PER_SECOND="1000000") as where:
        ours = asyncio.run(onset(where.url, where.port, vectors[1], asked))
    for name, rate in asyncio.run(peers(vectors[1], forest, asked)).items():
        print(f"Onset / {name}: {ours / rate:.1f} x (aim {REQUIRED[name]} x)")


if __name__ == "__main__":
    main()
