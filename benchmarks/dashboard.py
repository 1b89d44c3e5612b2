"""What people who look cost: the page in a browser, and dashboards that never read.

    python -m benchmarks.dashboard [--only page|silent] [--devices 20 50] [--seconds 15]

Page: bands of 6 channels at 50 readings/s, each moving 20 times a minute, and a
champion that says what each movement is.  Headless Chromium looks at the live page;
counted are the draws of each tile and of the strip (calls of the canvas itself) and the
tasks that blocked the page for over 50 ms.

Silent: 200 dashboards ask for `/live` and `/signals` and take nothing.  The time from a
block of readings to its acknowledgement is taken with and without them, in turns.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import socket
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import numpy as np
from playwright.async_api import async_playwright

from benchmarks.bands import Fleet, register, streaming, truth
from benchmarks.place import KEY, Place, place

ACCESS = {"Authorization": f"Bearer {KEY}"}
LEAST_DRAWS = 20.0
MOST_LONG_MS = 50.0
MOST_CHANGE = 0.10
SILENT = 200
SETTLE_SECONDS = 30.0
"""Until what lies between them and the service is full."""
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--no-proxy-server"]
COUNT = """() => {
  window.counted = { draws: new Map(), long: 0, frames: 0, since: performance.now() };
  const pen = CanvasRenderingContext2D.prototype;
  for (const [name, mine] of [["stroke", (one) => one.id !== "strip"],
                              ["clearRect", (one) => one.id === "strip"]]) {
    const plain = pen[name];
    pen[name] = function (...all) {
      const { canvas } = this;
      const { draws } = window.counted;
      if (mine(canvas)) draws.set(canvas, (draws.get(canvas) ?? 0) + 1);
      return plain.apply(this, all);
    };
  }
  new PerformanceObserver((list) => {
    for (const one of list.getEntries()) window.counted.long += one.duration;
  }).observe({ entryTypes: ["longtask"] });
  const turn = () => { window.counted.frames += 1; requestAnimationFrame(turn); };
  turn();
}"""
BEGIN = """() => Object.assign(window.counted,
  { draws: new Map(), long: 0, frames: 0, since: performance.now() })"""
SAID = """() => {
  const { draws, long, frames, since } = window.counted;
  const seconds = (performance.now() - since) / 1000;
  const box = document.getElementById("devices").getBoundingClientRect();
  const seen = [...document.querySelectorAll(".device canvas")].filter((one) => {
    const { top, bottom } = one.getBoundingClientRect();
    return bottom > box.top && top < Math.min(box.bottom, innerHeight);
  });
  return {
    tiles: seen.map((one) => (draws.get(one) ?? 0) / seconds),
    strip: (draws.get(document.getElementById("strip")) ?? 0) / seconds,
    long: long / seconds, frames: frames / seconds,
    states: document.getElementById("wall-note").textContent,
    rate: document.getElementById("rate").textContent,
  };
}"""


def teach(where: Place) -> None:
    """Label the first movements, and let a champion be trained of them."""
    client = httpx.Client(
        base_url=where.url, headers=ACCESS, trust_env=False, timeout=60
    )
    with client:
        found: list[dict] = []
        for _ in range(60):
            time.sleep(1)
            query = {"profile": "wrist", "limit": 200}
            found = client.get("/events", params=query).json()["items"]
            if len(found) >= 60:
                break
        labels = [{"event": e["id"], "label": truth(e["onset_seq"])} for e in found]
        client.post("/labels", json={"labels": labels}).raise_for_status()
        job = client.post("/retrain", json={"profile": "wrist"}).json()
        for _ in range(120):
            time.sleep(0.5)
            if client.get(f"/jobs/{job['id']}").json()["state"] in ("done", "failed"):
                break
        models = client.get("/models", params={"profile": "wrist"}).json()["items"]
        if models and models[0]["state"] != "champion":
            reason = {"reason": "benchmark"}
            client.post(f"/models/{models[0]['version']}/promote", json=reason)
        print(f"champion: {[(m['version'], m['state']) for m in models]}", flush=True)


async def look(where: Place, seconds: float, picture: Path | None) -> int:
    """Look at the page; return how many aims are missed."""
    async with async_playwright() as playwright:
        chromium = shutil.which("chromium")
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = await browser.new_page(viewport={"width": 1280, "height": 1240})
        await page.add_init_script(f"({COUNT})()")
        await page.goto(f"{where.url}/#key={KEY}")
        await asyncio.sleep(10)  # until the wall is full and the browser is warm
        await page.evaluate(BEGIN)
        await asyncio.sleep(seconds)
        said = await page.evaluate(SAID)
        if picture is not None:
            await page.screenshot(path=picture)
        await browser.close()
    tiles = np.array(said["tiles"] or [0.0])
    draws = min(said["strip"], float(np.median(tiles)))
    print(
        f"  {said['states']}; events: {said['rate']}\n"
        f"  {len(tiles)} tiles in sight: draws/s of a tile min {tiles.min():.1f}, "
        f"median {np.median(tiles):.1f}; strip {said['strip']:.1f}; "
        f"frames/s {said['frames']:.0f}; long tasks {said['long']:.0f} ms/s",
        flush=True,
    )
    return int(draws < LEAST_DRAWS) + int(said["long"] >= MOST_LONG_MS)


def page(devices: int, seconds: float, picture: Path | None) -> int:
    """Measure the live page with so many devices."""
    with place("trainer", ONSET_LOG_LEVEL="error") as where:
        pairs = register(where, devices)
        with streaming(where, pairs):
            teach(where)
            print(f"{devices} devices x 6 channels x 50 readings/s")
            cpu, begun = where.cpu_seconds(), time.perf_counter()
            missed = asyncio.run(look(where, seconds, picture))
            cpu = (where.cpu_seconds() - cpu) / (time.perf_counter() - begun)
            print(f"  the service's processor meanwhile: {cpu:.0%}")
    return missed


def ask(port: int, path: str) -> socket.socket:
    """Ask for a stream, and take nothing of it."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.connect(("127.0.0.1", port))
    head = f"GET {path} HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {KEY}\r\n\r\n"
    line.sendall(head.encode())
    return line


def p99_beside(where: Place, fleet: Fleet, count: int, seconds: float) -> list[float]:
    """Return the times of acknowledgements beside so many silent dashboards."""
    with ExitStack() as stack:
        for _ in range(count):
            for path in ("/live?profile=wrist", "/signals?profile=wrist"):
                stack.enter_context(ask(where.port, path))
        time.sleep(SETTLE_SECONDS)  # opening them is not what is measured
        fleet.waits()
        cpu = where.cpu_seconds()
        time.sleep(seconds)
        waits = fleet.waits()
        cpu = (where.cpu_seconds() - cpu) / seconds
        p50, p99 = np.percentile(waits, [50, 99])
        print(
            f"  {count:3} dashboards: {len(waits)} acks, p50 {1e3 * p50:.0f} ms, "
            f"p99 {1e3 * p99:.0f} ms, processor {cpu:.0%}, "
            f"memory {where.memory() / 2**20:.0f} MiB",
            flush=True,
        )
    time.sleep(1)
    return waits


def silent(devices: int, seconds: float, turns: int) -> int:
    """Measure acknowledgements with and without dashboards that never read."""
    with place(ONSET_LOG_LEVEL="error") as where:
        pairs = register(where, devices)
        with streaming(where, pairs) as fleet:
            time.sleep(5)
            print(f"{devices} devices, {SILENT} dashboards that never read")
            alone: list[float] = []
            beside: list[float] = []
            for turn in range(turns):
                order = [(0, alone), (SILENT, beside)]
                for count, waits in order if turn % 2 == 0 else order[::-1]:
                    waits += p99_beside(where, fleet, count, seconds)
    before, after = (float(np.percentile(one, 99)) for one in (alone, beside))
    change = after / before - 1
    print(
        f"ack p99 {1e3 * before:.0f} ms alone, {1e3 * after:.0f} ms beside them: "
        f"{change:+.1%} (at most {MOST_CHANGE:.0%})"
    )
    return int(change > MOST_CHANGE)


def main() -> int:
    """Measure; return 1 when an aim is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=("page", "silent"))
    parser.add_argument("--devices", type=int, nargs="+", default=[20, 50])
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--turns", type=int, default=4)
    parser.add_argument("--picture", type=Path)
    asked = parser.parse_args()
    missed = 0
    if asked.only != "silent":
        if shutil.which("chromium") is None:
            print("no chromium on this machine: the page is not looked at")
        else:
            for devices in asked.devices:
                missed += page(devices, asked.seconds, asked.picture)
    if asked.only != "page":
        missed += silent(asked.devices[-1], asked.seconds, asked.turns)
    print(f"{missed} aims missed")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
