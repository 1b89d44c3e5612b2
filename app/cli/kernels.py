"""Where compiled kernels are kept: a folder named by a digest of their sources.

numba looks at the file of the outermost kernel only, and would go on with an old
machine code of what that kernel calls.
"""

import os
import shutil
from hashlib import sha256
from pathlib import Path

import app

VARIABLE = "NUMBA_CACHE_DIR"
PREFIX = "onset-kernels-"
PARTS = ("domain", "detection", "features", "wire", "learning", "service/streams")


def keep() -> None:
    """Set numba's cache folder, unless somebody has; call before numba is imported."""
    if VARIABLE in os.environ:
        return
    package = Path(app.__file__).parent
    sources = sorted(path for part in PARTS for path in (package / part).glob("*.py"))
    digest = sha256(b"\0".join(p.read_bytes() for p in sources)).hexdigest()[:16]
    home = package / "__pycache__"
    if not os.access(package, os.W_OK):
        home = Path.home() / ".cache"
    chosen = home / f"{PREFIX}{digest}"
    os.environ[VARIABLE] = str(chosen)
    if home.is_dir():
        for old in home.glob(f"{PREFIX}*"):
            if old != chosen:
                shutil.rmtree(old, ignore_errors=True)
