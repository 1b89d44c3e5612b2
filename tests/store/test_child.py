import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.store.embedded.child import Account, OpenFolder, is_alive, launch, works_in

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes users")
PYTHON = sys.executable


def output_of(command: list[str], account: Account, tmp_path: Path) -> str:
    with (tmp_path / "log").open("w+") as log:
        process = launch(command, account, keep=[], log=log.fileno())
        assert process.wait(20) == 0
        log.seek(0)
        return log.read().strip()


def test_child_runs_in_a_session_of_its_own_with_a_small_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGDATA", "/somewhere/else")
    said = output_of(["/bin/sh", "-c", "echo $$ $PGDATA"], Account(), tmp_path)
    session = output_of(
        ["/bin/sh", "-c", "cut -d' ' -f6 /proc/$$/stat"], Account(), tmp_path
    )
    assert said.isdigit()
    assert int(session) != os.getsid(0)


@as_root
def test_child_of_root_has_lost_every_right(tmp_path: Path) -> None:
    account = Account.for_data(tmp_path / "absent")
    status = output_of(["/bin/cat", "/proc/self/status"], account, tmp_path)
    fields = dict(line.split(":", 1) for line in status.splitlines())
    assert fields["Uid"].split() == [str(account.uid)] * 4
    assert fields["Gid"].split() == [str(account.gid)] * 4
    assert fields["Groups"].split() == []
    assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == 0


@as_root
def test_root_serves_data_as_their_owner(tmp_path: Path) -> None:
    os.chown(tmp_path, 4711, 4712)
    assert Account.for_data(tmp_path) == Account(4711, 4712)


@as_root
def test_folder_is_named_through_its_descriptor_for_root_only(tmp_path: Path) -> None:
    with OpenFolder(tmp_path) as folder:
        assert folder.path == Path(f"/proc/self/fd/{folder.descriptor}")
        (folder.path / "file").touch()
    assert (tmp_path / "file").exists()


def test_process_lives_until_it_has_ended_buried_or_not() -> None:
    with subprocess.Popen([PYTHON, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert is_alive(str(process.pid))
        process.send_signal(signal.SIGKILL)
        deadline = time.monotonic() + 20
        while is_alive(str(process.pid)):  # a zombie until somebody waits for it
            assert time.monotonic() < deadline
        os.kill(process.pid, 0)
    assert not is_alive(str(process.pid))


@pytest.mark.parametrize("text", ["", "0", "-1", "onset", "12 34"])
def test_what_is_no_process_id_is_not_alive(text: str) -> None:
    assert not is_alive(text)


def test_process_works_in_its_own_folder_only(tmp_path: Path) -> None:
    assert works_in(str(os.getpid()), Path.cwd()) in (True, None)
    assert not works_in(str(os.getpid()), tmp_path)
    assert not works_in("999999999", tmp_path)
