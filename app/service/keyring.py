"""Keys that were presented lately, so that a busy caller costs no query a request."""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from sqlalchemy.ext.asyncio import AsyncEngine

from app.errors import Unauthenticated
from app.service.together import Together
from app.store import audit, keys
from app.store.keys import Key

if TYPE_CHECKING:  # most services have none, and it takes its time to import
    from app.service.directory import Directory

FRESH_SECONDS = 5.0
"""How long a key is believed without a look: a revocation is promised within 10 s."""
MAX_KEYS = 10_000
_SHAPE = re.compile(r"[!-~]{1,256}")


class KeyRing:
    """Finds keys; remembers the valid ones for `FRESH_SECONDS`, by digest only.

    Parameters
    ----------
    directory : Directory or None
        Says whom a token speaks for; such a person has a key without a secret.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        clock: Callable[[], float] = time.monotonic,
        *,
        directory: Directory | None = None,
    ) -> None:
        self._engine = engine
        self._directory = directory
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[float, Key]] = OrderedDict()
        self._look = Together(self._find_all)

    async def find(self, presented: str) -> Key:
        """Return the key that was presented, or that of the person a token speaks for.

        Raises
        ------
        Unauthenticated
            If there is no such key, or it is revoked or expired.
        Forbidden, Unavailable
            As `Directory.person`.
        """
        directory = self._directory
        if directory is not None and not directory.knows(presented):
            directory = None
        if directory is None and not _SHAPE.fullmatch(presented):
            raise Unauthenticated("the key is not valid")
        digest = sha256(presented.encode("ascii")).digest()
        known = self._known.get(digest)
        if known is not None and self._clock() - known[0] < FRESH_SECONDS:
            return _unexpired(known[1])
        self._known.pop(digest, None)
        if directory is None:
            key = await self._look(presented)
        else:
            key = await self._meet(directory, presented)
        if key is None:
            raise Unauthenticated("the key is not valid")
        key = _unexpired(key)
        self._known[digest] = (self._clock(), key)
        while len(self._known) > MAX_KEYS:
            self._known.popitem(last=False)
        return key

    async def _find_all(self, presented: Sequence[str]) -> list[Key | None]:
        async with self._engine.begin() as conn:
            return await keys.find_all(conn, presented)

    async def _meet(self, directory: Directory, token: str) -> Key | None:
        """Return the key of the person a token speaks for; None if it is revoked."""
        person = await directory.person(token)
        async with self._engine.begin() as conn:
            key, act = await keys.of_person(
                conn,
                person.subject,
                name=person.name,
                role=person.role,
                reach=person.reach,
            )
            if act is not None:
                after = {"role": person.role, "name": person.name}
                await audit.record(conn, key.name, act, f"key:{key.id}", after=after)
        if key.revoked_at is not None:
            return None
        return replace(key, expires_at=person.expires_at)

    def forget(self) -> None:
        """Look at every key again; called when one was revoked in this process."""
        self._known.clear()


def _unexpired(key: Key) -> Key:
    if key.expires_at is not None and key.expires_at <= datetime.now(UTC):
        raise Unauthenticated("the key has expired")
    return key
