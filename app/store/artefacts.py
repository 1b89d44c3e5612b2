"""Artefact files by digest: what a file's name says is what it holds, or it is refused.

A file appears whole or not at all (temporary file, fsync, rename, fsync of the folder),
and is never changed: several databases may share one folder.
"""

from __future__ import annotations

import os
import re
import tempfile
from hashlib import sha256
from pathlib import Path

from app.errors import ArtefactError

_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


class Artefacts:
    """A folder of artefacts.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     artefacts = Artefacts(Path(folder))
    ...     artefacts.get(artefacts.put(b"model"))
    b'model'
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, data: bytes) -> str:
        """Keep bytes durably; return their SHA-256, 64 hex digits."""
        digest = sha256(data).hexdigest()
        if self._intact(digest):
            return digest
        self.folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".new-", dir=self.folder)
        fresh = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            fresh.chmod(0o644)
            fresh.replace(self.folder / digest)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
        self._sync_folder()
        return digest

    def get(self, digest: str) -> bytes:
        """Return the bytes, verified.

        Raises
        ------
        ArtefactError
            If the file is missing, unreadable, no regular file, or holds other bytes
            than its name says.
        """
        if not _DIGEST.fullmatch(digest):
            raise ArtefactError(f"{digest!r} is no SHA-256 in 64 hex digits")
        path = self.folder / digest
        if path.is_symlink() or not path.is_file():
            raise ArtefactError(f"artefact {digest} is missing or no regular file")
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ArtefactError(
                f"artefact {digest} cannot be read: {error.strerror}"
            ) from error
        found = sha256(data).hexdigest()
        if found != digest:
            raise ArtefactError(f"artefact {digest} is damaged: it hashes to {found}")
        return data

    def _intact(self, digest: str) -> bool:
        try:
            self.get(digest)
        except ArtefactError:
            return False
        return True

    def _sync_folder(self) -> None:
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
