"""Export and listing over many events: memory of the service, and the time of a page.

    python -m benchmarks.export [--events 100000]

Starts a service of its own over an embedded PostgreSQL, fills it with events, and
exports all of them in each form while it watches the service's memory.  Then it asks
`GET /events` for pages under every filter and gives the times as a client sees them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
import time

import httpx
import numpy as np
import psycopg

from app.store.arrays import pack
from benchmarks.place import KEY, memory, place

FILL = """
INSERT INTO devices (id, profile) SELECT 'd' || n, 'arm' FROM generate_series(0, 49) n;
INSERT INTO events (id, device, boot, profile, onset_seq, offset_seq, onset, "offset",
  peak, flags, "window", n_readings, n_channels, pre_roll, post_roll, classified)
SELECT gen_random_uuid(), 'd' || n % 50, 'b', 'arm', n, n + 50,
  timestamptz '2026-01-01Z' + n * interval '1 s',
  timestamptz '2026-01-01Z' + (n + 1) * interval '1 s', 4.5,
  CASE WHEN n % 1000 = 0 THEN ARRAY['gap'] ELSE '{}'::text[] END,
  (SELECT "window" FROM sample), 80, 2, 20, 10, true
FROM generate_series(1, %(events)s) n;
INSERT INTO labels (event, label, by, source)
SELECT id, CASE WHEN position %% 5000 = 0 THEN 'rare' ELSE 'fist' END, 'ann', 'person'
FROM events WHERE position %% 20 = 0;
ANALYZE;
"""
PAGES = {
    "newest": {"order": "desc"},
    "device": {"device": "d7"},
    "profile": {"profile": "arm", "order": "desc"},
    "flag": {"flag": "gap"},
    "label": {"label": "rare"},
    "unlabelled": {"labelled": "false"},
    "labelled": {"labelled": "true", "order": "desc"},
    "since": {"since": "2026-01-01T20:00:00Z"},
    "until": {"until": "2026-01-01T20:00:00Z", "order": "desc"},
}


def fill(url: str, events: int) -> None:
    """Store a profile, devices, events and labels."""
    window = pack(np.random.default_rng(1).normal(size=(80, 2)).astype(np.float32))
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute('CREATE TEMP TABLE sample ("window" bytea)')
        conn.execute("INSERT INTO sample VALUES (%s)", [window])
        for statement in FILL.split(";\n"):
            if "%(events)s" in statement:
                conn.execute(statement.replace("n % ", "n %% "), {"events": events})
            elif statement.strip():
                conn.execute(statement.replace("%%", "%"))


def export(client: httpx.Client, process: int, form: str, windows: bool) -> str:
    """Export everything; give rate and the most that memory rose."""
    before = most = memory(process)
    done = threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.02):
            most = max(most, memory(process))

    watching = threading.Thread(target=watch)
    watching.start()
    begun, size = time.perf_counter(), 0
    params = {"format": form, "windows": str(windows).lower()}
    with client.stream("GET", "/export", params=params, timeout=600) as answer:
        answer.raise_for_status()
        for part in answer.iter_bytes():
            size += len(part)
    took = time.perf_counter() - begun
    done.set()
    watching.join()
    sent, grown = size / 2**20, (most - before) / 2**20
    return f"{took:6.1f} s  {sent:7.1f} MiB  memory +{grown:5.1f} MiB"


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=100_000)
    asked = parser.parse_args()
    with place() as where:
        measure(where.service, where.url, where.database, asked.events)
    return 0


def measure(service: subprocess.Popen[bytes], url: str, base: str, events: int) -> None:
    """Fill, export, list."""
    access = {"Authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=url, headers=access, trust_env=False) as client:
        profile = {"channels": [{"name": "x"}, {"name": "y"}], "rate_hz": 50}
        client.put("/profiles/arm", json=profile).raise_for_status()
        fill(base, events)
        print(f"{events} events")
        for form, windows in (
            ("jsonl", False),
            ("csv", False),
            ("parquet", False),
            ("jsonl", True),
            ("parquet", True),
        ):
            name = f"{form}{' with windows' if windows else ''}"
            print(f"{name:22}{export(client, service.pid, form, windows)}", flush=True)
        for name, params in PAGES.items():
            times = []
            for _ in range(40):
                begun = time.perf_counter()
                answer = client.get("/events", params={**params, "limit": 100})
                times.append(1e3 * (time.perf_counter() - begun))
                answer.raise_for_status()
            p50, p99 = np.percentile(times, [50, 99])
            print(
                f"GET /events {name:12} p50 {p50:6.1f}  p99 {p99:6.1f} ms", flush=True
            )


if __name__ == "__main__":
    sys.exit(main())
