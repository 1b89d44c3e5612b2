"""Child processes that come back after a crash and never outlive their parent.

    starting --ends--> waiting (back-off) --> starting
        |                  |
        +---- stopping ----+--> SIGTERM --patience--> SIGKILL --> gone

A child is a session of its own, so that Ctrl-C reaches the parent alone, who stops
the children in order.  When the parent is killed, the kernel tells the child
(Linux); a thread that looks at the parent's number does so everywhere else.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PARENT_VARIABLE = "ONSET_PARENT_PID"
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0
SETTLED_SECONDS = 30.0
"""A child that lived so long has earned the short pause again."""
STOP_SECONDS = 20.0
"""Above the 10 s that the service takes to drain its connections."""
ORPHAN_SECONDS = 10.0
"""So long may a child whose parent is gone put its things in order."""
MAX_LOG_BYTES = 8 * 2**20

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Program:
    """An `onset` command that runs as a child.

    Parameters
    ----------
    name : str
        What messages call it.
    words : tuple of str
        The command line after ``onset``.
    log : Path or None
        Where its output goes; None: to `Keeper`'s `say`, line by line.
    again : bool
        Whether it is started again when it ends.
    """

    name: str
    words: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    log: Path | None = None
    again: bool = True


class Keeper:
    """Keeps one program running until it is told to stop.

    `crashes` counts how often it ended without being told to.
    """

    def __init__(self, program: Program, say: Callable[[str], None]) -> None:
        self.program = program
        self._say = say
        self.crashes = 0
        self._stopping = asyncio.Event()
        self._begun = False
        self._over = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the child, None while there is none."""
        return self._process.pid if self._process else None

    async def run(self) -> int:
        """Start the program, again and again if it shall; return its last exit code."""
        self._begun = True
        try:
            return await self._keep()
        finally:
            self._over.set()

    async def stop(self) -> None:
        """End the program: ask first, then insist; return when it is gone."""
        self._stopping.set()
        if not self._begun:
            return
        self._signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._over.wait(), STOP_SECONDS)
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await self._over.wait()

    async def _keep(self) -> int:
        pause, code = FIRST_PAUSE_SECONDS, 0
        while not self._stopping.is_set():
            began = time.monotonic()
            code = await self._once()
            if self._stopping.is_set() or not self.program.again:
                break
            self.crashes += 1
            if time.monotonic() - began > SETTLED_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            self._say(f"{self._ending(code)}; starting it again in {pause:.1f} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        return code

    def _signal(self, number: int) -> None:
        """Reach the child and all of its own, if there is one: it leads its group."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                if number == signal.SIGKILL:
                    os.killpg(self._process.pid, number)
                else:
                    self._process.send_signal(number)

    async def _once(self) -> int:
        log = _open_log(self.program.log) if self.program.log else None
        piped = asyncio.subprocess.PIPE if log is None else log
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "app.cli",
                *self.program.words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=piped,
                stderr=asyncio.subprocess.STDOUT,
                env={**self.program.environment, PARENT_VARIABLE: str(os.getpid())},
                start_new_session=True,
            )
        finally:
            if log is not None:
                os.close(log)
        if self._stopping.is_set():  # said while the child was being made
            self._signal(signal.SIGTERM)
        if self._process.stdout is not None:
            async for line in self._process.stdout:
                self._say(line.decode(errors="replace").rstrip("\n"))
        return await self._process.wait()

    def _ending(self, code: int) -> str:
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        where = f" (see {self.program.log})" if self.program.log else ""
        return f"{self.program.name} {how}{where}"


def last_line(log: Path) -> str:
    """Read what a program said last."""
    with log.open("rb") as file:
        file.seek(max(log.stat().st_size - 4096, 0))
        lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "(nothing)"


def die_with_parent() -> None:
    """Let this process be ended when the one that started it with `Keeper` is gone."""
    parent = os.environ.pop(PARENT_VARIABLE, None)
    if parent is None:
        return
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    watch = threading.Thread(target=_watch, args=(int(parent),), daemon=True)
    watch.start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(ORPHAN_SECONDS)
    os._exit(1)  # what it waits for has gone with the parent


def end_on_sigterm() -> None:
    """Turn SIGTERM into `SystemExit`, so that what is open is closed in order."""

    def leave(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_IGN)  # one is enough while we clean up
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, leave)


def _open_log(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
        path.replace(path.with_suffix(f"{path.suffix}.1"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
