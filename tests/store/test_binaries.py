import os
from pathlib import Path

import pytest

from app.errors import Unavailable
from app.store.embedded.binaries import PostgresBinaries, find_postgres


def fake_installation(folder: Path, version: str = "16.4") -> Path:
    (folder / "bin").mkdir(parents=True)
    for name in ("postgres", "initdb"):
        program = folder / "bin" / name
        program.write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n")
        program.chmod(0o700)
    return folder


def test_wheel_is_found_without_being_told() -> None:
    assert find_postgres().major() >= 15


@pytest.mark.parametrize("below", ["", "bin"])
def test_named_installation_goes_before_everything(tmp_path: Path, below: str) -> None:
    install = fake_installation(tmp_path / "pg")
    assert find_postgres(install / below).bin == install / "bin"
    assert find_postgres(install / below).major() == 16


def test_named_folder_without_postgres_is_an_error_not_a_search(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no `postgres` and `initdb`"):
        find_postgres(tmp_path)


def test_missing_tool_is_named(tmp_path: Path) -> None:
    install = fake_installation(tmp_path / "pg")
    with pytest.raises(Unavailable, match="'pg_dump'"):
        find_postgres(install).tool("pg_dump")


def test_program_that_does_not_run_is_an_error(tmp_path: Path) -> None:
    install = fake_installation(tmp_path / "pg")
    (install / "bin" / "postgres").write_text("#!/no/such/shell\n")
    with pytest.raises(Unavailable, match="does not run"):
        find_postgres(install).major()


def test_copy_keeps_the_layout_and_opens_it_to_all(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    fake_installation(closed / "package" / "install")
    (closed / "package.libs").mkdir()
    (closed / "package.libs" / "libpq.so").touch(mode=0o600)
    closed.chmod(0o700)
    parts = ("package/install", "package.libs")
    binaries = PostgresBinaries(closed / "package/install/bin", closed, parts)
    copy = binaries.open_to_all(tmp_path / "cache")
    home = copy.bin.parents[2]
    assert (home / "package.libs" / "libpq.so").stat().st_mode & 0o777 == 0o644
    assert copy.tool("initdb").stat().st_mode & 0o777 == 0o755
    assert os.listdir(tmp_path / "cache") == [home.name]
    assert binaries.open_to_all(tmp_path / "cache") == copy
