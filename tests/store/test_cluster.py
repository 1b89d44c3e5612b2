import socket
from pathlib import Path

import pytest

from app.errors import Unavailable
from app.store.embedded import cluster
from app.store.embedded.cluster import Cluster


@pytest.fixture
def files(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path / "postgres")


def test_port_of_last_time_is_chosen_again(files: Cluster) -> None:
    port = files.choose_port()
    files.keep_port(port)
    assert files.choose_port() == port


def test_port_of_last_time_in_use_by_another_is_given_up(files: Cluster) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        files.keep_port(other.getsockname()[1])
        assert files.choose_port() != other.getsockname()[1]


def test_forgotten_or_unreadable_port_is_no_obstacle(files: Cluster) -> None:
    files.data_dir.with_name("postgres.port").write_text("none of them")
    assert files.choose_port() > 0
    files.keep_port(None)
    assert files.choose_port() > 0


def test_long_log_is_turned_over(
    files: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "MAX_LOG_BYTES", 10)
    files.log_file.write_text("0123456789")
    assert files.log_size() == 10
    files.log_file.write_text("0123456789+")
    assert files.log_size() == 0
    assert files.log_file.with_name("postgres.log.1").read_text() == "0123456789+"


def test_failure_ends_with_the_new_lines_of_the_log(files: Cluster) -> None:
    files.log_file.write_text("old\n" + "\n".join(f"line {n}" for n in range(30)))
    message = str(files.failure("it broke", log_begin=4))
    assert "it broke" in message
    assert "old" not in message
    assert message.endswith("line 29")


def test_missing_password_is_named(files: Cluster) -> None:
    with pytest.raises(Unavailable, match=r"postgres\.password"):
        _ = files.password


def test_server_that_is_not_ready_is_not_taken_for_one(files: Cluster) -> None:
    files.data_dir.mkdir()
    pid_file = files.data_dir / "postmaster.pid"
    assert not files.is_ready(7, 5432)
    lines = ["7", "/data", "1", "5432", "", "127.0.0.1", "0 0", "starting"]
    pid_file.write_text("\n".join(lines))
    assert not files.is_ready(7, 5432)
    pid_file.write_text("\n".join([*lines[:7], "ready   "]))
    assert files.is_ready(7, 5432)
    assert not files.is_ready(8, 5432)
    assert not files.is_ready(7, 5433)
