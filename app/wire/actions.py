"""What a session tells its driver to do, and what one connection may ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from app.domain import Readings
from app.wire.closes import CLOSES
from app.wire.frames import Frame


@dataclass(frozen=True, slots=True)
class Limits:
    """What one connection may ask of the server.

    Parameters
    ----------
    max_message_bytes : int > 0
        Longer frames are refused, 1009; 64 KiB, as devices are small.
    max_readings : int > 0, per message
        More are refused, 1009; ten messages a second carry the fastest profile.
    max_waiting_bytes : int > 0
        Most that waits for the welcome; more is too fast, 4429.
    """

    max_message_bytes: int = 65536
    max_readings: int = 1024
    max_waiting_bytes: int = 262144


@dataclass(frozen=True, slots=True)
class Open:
    """Take the stream over, then call `welcome`; without a boot, make one up."""

    boot: str | None
    profile: str | None


@dataclass(frozen=True, slots=True)
class Accept:
    """Readings that are new and in order."""

    readings: Readings


@dataclass(frozen=True, slots=True)
class Skip:
    """A gap that the device announced: the next reading is number `to`."""

    to: int
    why: str


@dataclass(frozen=True, slots=True)
class End:
    """The stream ends: close the open event; close 1000 when all is durable."""


@dataclass(frozen=True, slots=True)
class Send:
    """A frame for the device."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class Close:
    """Say why (`Session.error`), then close with this code."""

    code: int
    title: str
    detail: str
    retry: bool


Action: TypeAlias = Open | Accept | Skip | End | Send | Close


class Refused(Exception):
    """A rule of the protocol is broken; `close` is the answer.

    Examples
    --------
    >>> Refused(4408, "seq=9 but 5 comes next").close.title
    'gap without skip'
    """

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(detail)
        closing = CLOSES[code]
        self.close = Close(code, closing.title, detail, closing.retry)
