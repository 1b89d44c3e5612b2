"""Keys that were presented lately, so that a busy caller costs no query a request."""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256

from sqlalchemy.ext.asyncio import AsyncEngine

from app.errors import Unauthenticated
from app.store import keys
from app.store.keys import Key

FRESH_SECONDS = 5.0
"""How long a key is believed without a look: a revocation is promised within 10 s."""
MAX_KEYS = 10_000
_SHAPE = re.compile(r"[!-~]{1,256}")


class KeyRing:
    """Finds keys; remembers the valid ones for `FRESH_SECONDS`, by digest only."""

    def __init__(
        self, engine: AsyncEngine, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[float, Key]] = OrderedDict()

    async def find(self, presented: str) -> Key:
        """Return the key that was presented.

        Raises
        ------
        Unauthenticated
            If there is no such key, or it is revoked or expired.
        """
        if not _SHAPE.fullmatch(presented):
            raise Unauthenticated("the key is not valid")
        digest = sha256(presented.encode("ascii")).digest()
        known = self._known.get(digest)
        if known is not None and self._clock() - known[0] < FRESH_SECONDS:
            return _unexpired(known[1])
        self._known.pop(digest, None)
        async with self._engine.begin() as conn:
            key = _unexpired(await keys.find(conn, presented))
        self._known[digest] = (self._clock(), key)
        while len(self._known) > MAX_KEYS:
            self._known.popitem(last=False)
        return key

    def forget(self) -> None:
        """Look at every key again; called when one was revoked in this process."""
        self._known.clear()


def _unexpired(key: Key) -> Key:
    if key.expires_at is not None and key.expires_at <= datetime.now(UTC):
        raise Unauthenticated("the key has expired")
    return key
