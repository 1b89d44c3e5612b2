"""Whether to connect again, and when: what closes and refusals mean to a device."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from websockets.exceptions import (
    ConnectionClosed,
    InvalidStatus,
    InvalidURI,
    NegotiationError,
)

from app.errors import (
    Forbidden,
    InvalidInput,
    InvalidReadings,
    NotFound,
    OnsetError,
    Superseded,
    Unauthenticated,
)
from app.wire import closes

FIRST_SECONDS = 0.2
LONGEST_SECONDS = 15.0
CROWDED_ATTEMPT = 5
"""Where the back-off begins for a device that was too fast: some 6 seconds."""

REFUSALS: Mapping[int, type[OnsetError]] = {
    closes.TOO_BIG: InvalidInput,
    closes.MALFORMED: InvalidInput,
    closes.UNAUTHENTICATED: Unauthenticated,
    closes.FORBIDDEN: Forbidden,
    closes.UNKNOWN_PROFILE: NotFound,
    closes.SUPERSEDED: Superseded,
    closes.WRONG_CHANNELS: InvalidReadings,
}
"""Close codes after which connecting again changes nothing."""

STATUSES: Mapping[int, type[OnsetError]] = {
    400: InvalidInput,
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    426: InvalidInput,
}
"""Answers to the upgrade after which asking again changes nothing."""


class Backoff:
    """Exponential, with full jitter, so that a thousand devices do not come at once.

    Parameters
    ----------
    random : Random
        Where the jitter comes from.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._attempt = 0

    def seconds(self) -> float:
        """Say how long to wait before the next attempt."""
        longest = min(LONGEST_SECONDS, FIRST_SECONDS * 2**self._attempt)
        self._attempt = min(self._attempt + 1, 16)
        return self._random.uniform(longest / 10, longest)

    def reset(self) -> None:
        """Begin again: the line works."""
        self._attempt = 0

    def crowded(self) -> None:
        """Come back late: the server said that this was too fast."""
        self._attempt = max(self._attempt, CROWDED_ATTEMPT)


def close_code(fault: Exception) -> int | None:
    """Find the code with which the server closed, if it did."""
    if isinstance(fault, ConnectionClosed) and fault.rcvd is not None:
        return fault.rcvd.code
    return None


def refusal(fault: Exception, said: str) -> OnsetError | None:
    """Turn what broke a connection into an error, or None: connect again.

    Parameters
    ----------
    fault : Exception
        From websockets or the operating system.
    said : str
        The server's last `error`, else empty.
    """
    code = close_code(fault)
    if code is not None and code in REFUSALS:
        return REFUSALS[code](said or closes.CLOSES[code].title)
    if isinstance(fault, InvalidStatus):
        status = fault.response.status_code
        if status in STATUSES:
            body = bytes(fault.response.body or b"")[:300]
            return STATUSES[status](
                f"HTTP {status}: {body.decode('utf-8', 'replace')}".strip()
            )
    if isinstance(fault, InvalidURI | NegotiationError):
        return InvalidInput(str(fault))
    return None
