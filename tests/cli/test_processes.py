import asyncio
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli import processes
from app.cli.processes import Keeper, Program


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Make an `onset` command of a script, by a package that stands in its place."""

    def make(script: str, **more: object) -> Program:
        folder = tmp_path / "app" / "cli"
        folder.mkdir(parents=True)
        (folder.parent / "__init__.py").write_text("")
        (folder / "__init__.py").write_text("")
        (folder / "__main__.py").write_text(script)
        environment = dict(os.environ) | {"PYTHONPATH": str(tmp_path)}
        monkeypatch.chdir(tmp_path)
        return Program("child", ("word",), environment, **more)  # type: ignore[arg-type]

    return make


async def test_output_and_exit_code_come_back(program):
    said: list[str] = []
    script = "import sys; print(sys.argv[1]); sys.exit(3)"
    keeper = Keeper(program(script, again=False), said.append)
    assert await keeper.run() == 3
    assert said == ["word"]


async def test_a_killed_child_is_started_again_until_it_is_stopped(program):
    said: list[str] = []
    twice = asyncio.Event()

    def say(line: str) -> None:
        said.append(line)
        if said.count("up") == 2:
            twice.set()
        elif line == "up":
            assert keeper.pid
            os.kill(keeper.pid, signal.SIGKILL)

    keeper = Keeper(
        program("import time; print('up', flush=True); time.sleep(60)"), say
    )
    running = asyncio.create_task(keeper.run())
    await twice.wait()
    await keeper.stop()
    assert await running == -signal.SIGTERM
    assert any("was killed by signal 9" in line for line in said)
    assert keeper.crashes == 1


async def test_a_child_that_is_stopped_while_it_is_being_made_is_gone_too(program):
    keeper = Keeper(program("import time; time.sleep(60)"), lambda line: None)
    running = asyncio.create_task(keeper.run())
    await asyncio.sleep(0)
    assert keeper.pid is None
    await keeper.stop()
    assert await running == -signal.SIGTERM


async def test_what_was_stopped_before_it_began_never_begins(program):
    keeper = Keeper(program("print('up')"), lambda line: pytest.fail(line))
    await keeper.stop()
    assert await keeper.run() == 0


async def test_a_child_that_will_not_listen_is_killed(
    program, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(processes, "STOP_SECONDS", 0.2)
    up = asyncio.Event()
    script = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('up', flush=True); time.sleep(60)"
    )
    keeper = Keeper(program(script), lambda line: up.set())
    running = asyncio.create_task(keeper.run())
    await up.wait()
    await keeper.stop()
    assert await running == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="waits by pidfd")
def test_a_child_dies_with_its_parent():
    child = (
        "from app.cli.processes import die_with_parent;"
        "import os, time; die_with_parent(); print(os.getpid(), flush=True);"
        "time.sleep(60)"
    )
    parent = (
        "import os, subprocess, sys;"
        f"subprocess.Popen([sys.executable, '-c', {child!r}],"
        "env={**os.environ, 'ONSET_PARENT_PID': str(os.getpid())}).wait()"
    )
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE)
    assert process.stdout
    with process.stdout as said:
        watched = os.pidfd_open(int(said.readline()))
        process.kill()
    process.wait()
    ended, _, _ = select.select([watched], [], [], 30.0)
    os.close(watched)
    assert ended
