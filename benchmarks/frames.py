"""Attacks and mutations of another tool's, in our words: frames that must do no harm.

    python -m benchmarks.frames --harness FOLDER [--mutations 12000]

`FOLDER` holds `wsfuzz.py`, which speaks a dialect of its own; it is translated here,
and each connection gets a device and its key.  The tool looks at close codes, at the
service's memory and health, and at a connection that must survive; tracebacks in the
service's log are counted here.  Without the tool the same promises are kept by
`tests/wire/test_websocket.py`, `test_frames.py` and `tests/api/test_receipt.py`.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import tempfile
from itertools import cycle
from pathlib import Path
from types import ModuleType

from benchmarks.fleet import register
from benchmarks.place import place

DEVICES = 300
CANARY = "canary"
LARGEST = 2**20
HELLO = '{"t":"hello","boot":"b{i}"}'
VALID = '{"type":"readings","seq":1,"values":[[0.1,0.2,0.3]]}'
WORDS = (
    (b'"device":"x\\u0027;--",', b""),
    (b',"boot":"b"}', b"}"),
    (b',"boot":1}', b"}"),
    (b'"device":', b'"boot":'),
    (b'"t":"data"', b'"type":"readings"'),
    (b'"t":', b'"type":'),
    (b'"r":', b'"values":'),
)
"""The tool's words and ours, one after another."""


def translate(body: bytes) -> bytes:
    """Say in our words what the tool says in its own."""
    for theirs, ours in WORDS:
        body = body.replace(theirs, ours)
    return body


def load(folder: Path) -> ModuleType:
    """Import the tool from where it lies."""
    spec = importlib.util.spec_from_file_location("wsfuzz", folder / "wsfuzz.py")
    if spec is None or spec.loader is None:
        raise SystemExit(f"no wsfuzz.py in {folder}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def adapt(tool: ModuleType, keys: dict[str, str]) -> None:
    """Let the tool speak our words, as a device of its own for each connection."""
    handshake, frame, attacks, shot = tool.hs, tool.fr, tool.attacks, tool.shot
    end = frame(8, (1000).to_bytes(2, "big"))
    names = cycle(name for name in keys if name != CANARY)
    waiting: list[str] = []

    def ours(address, extra="", path=None, **more):
        name = waiting.pop() if waiting else next(names)
        key = f"Authorization: Bearer {keys[name]}\r\n"
        return handshake(
            address, extra + key, path or f"/devices/{name}/stream", **more
        )

    def all_attacks(*given):
        made = attacks(*given)
        waiting.append(CANARY)  # is opened next
        return made

    def translated(opcode, body=b"", **more):
        return frame(opcode, translate(body) if opcode < 2 else body, **more)

    def patient(address, before, after, *more):
        """Not say goodbye at once: what was said would not be read any more."""
        return shot(address, before, after.removesuffix(end), *more)

    tool.hs, tool.attacks, tool.fr = ours, all_attacks, translated
    tool.shot = patient


def main() -> None:
    """Start the service, let the tool at it, count what the service said."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    harness = os.environ.get("ONSET_HARNESS")
    parser.add_argument("--harness", type=Path, default=harness, required=not harness)
    parser.add_argument("--mutations", type=int, default=12000)
    asked = parser.parse_args()
    tool = load(Path(asked.harness))
    with tempfile.TemporaryFile() as log:
        shown = os.dup(2)
        os.dup2(log.fileno(), 2)  # what the service writes
        try:
            with place() as where:
                names = [f"d{i}" for i in range(DEVICES)] + [CANARY]
                adapt(tool, register(where, names, "frames"))
                given = argparse.Namespace(
                    url=f"ws://127.0.0.1:{where.port}/",
                    health=f"{where.url}/health/live",
                    n=asked.mutations,
                    seed="1",
                    hello=HELLO,
                    valid=VALID,
                    header=[],
                    big=LARGEST,
                    quiet=12.0,
                    health_ms=1000,
                    par=16,
                    ids=50,
                    server_pid=where.service.pid,
                    max_rss_mib=64,
                    limit=270,
                    list=False,
                )
                failed = tool.main(given)
        finally:
            os.dup2(shown, 2)
        log.seek(0)
        lines = log.read().decode(errors="replace").splitlines()
    tracebacks = sum(line.startswith("Traceback") for line in lines)
    print(f"the service wrote {len(lines)} lines, {tracebacks} tracebacks")
    print(*lines[:20], sep="\n", file=sys.stderr)
    raise SystemExit(bool(failed or tracebacks))


if __name__ == "__main__":
    main()
