"""Files that only their owner reads: keys, passwords, addresses that hold one."""

from __future__ import annotations

import os
from pathlib import Path

ADMIN_KEY = "admin.key"
"""Name of the first key's file in the data folder."""


def write(path: Path, text: str) -> None:
    """Write a file with mode 0600, all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())  # a password must not be lost to a power cut
    fresh.replace(path)
