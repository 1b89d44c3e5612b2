"""One-time tickets: how a browser, which cannot send a key, opens a device socket."""

from __future__ import annotations

import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from app.errors import Unauthenticated

LIFE_SECONDS = 30.0
MAX_TICKETS = 10_000
"""More than so many at once is an attack; the oldest are dropped."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """Who may open which device's socket, and until when (monotonic seconds)."""

    key_id: str
    holder: str
    device: str
    until: float


class Tickets:
    """The tickets of this process; each is good once, for 30 seconds.

    Examples
    --------
    >>> tickets = Tickets()
    >>> value = tickets.issue("1", "ada", "band-7")
    >>> tickets.redeem(value, "band-7").holder
    'ada'
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: OrderedDict[bytes, Ticket] = OrderedDict()

    def issue(self, key_id: str, holder: str, device: str) -> str:
        """Make a ticket (128 random bits) for one device's socket."""
        value = secrets.token_urlsafe(16)
        while len(self._open) >= MAX_TICKETS:
            self._open.popitem(last=False)
        until = self._clock() + LIFE_SECONDS
        self._open[_digest(value)] = Ticket(key_id, holder, device, until)
        return value

    def redeem(self, value: str, device: str) -> Ticket:
        """Take a ticket out of circulation and return it.

        Raises
        ------
        Unauthenticated
            If it is unknown, used, too old or another device's.
        """
        ticket = self._open.pop(_digest(value), None)
        if (
            ticket is None
            or ticket.until < self._clock()
            or not hmac.compare_digest(ticket.device.encode(), device.encode())
        ):
            raise Unauthenticated("the ticket is not valid: take a new one")
        return ticket


def _digest(value: str) -> bytes:
    return sha256(value.encode("utf-8", "replace")).digest()
