"""Cursors: where the next page begins, as a string that nobody should read."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error

from app.errors import InvalidInput

_NUMBER = re.compile(r"[0-9]{1,19}", re.ASCII)


def cursor_of(key: str | int) -> str:
    """Make the cursor of a page that ended with `key`.

    Examples
    --------
    >>> number_in(cursor_of(7)), text_in(cursor_of("band-7"))
    (7, 'band-7')
    """
    return urlsafe_b64encode(str(key).encode()).decode().rstrip("=")


def text_in(cursor: str) -> str:
    """Read a text key back.

    Raises
    ------
    InvalidInput
        If it is no cursor of ours.
    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        return urlsafe_b64decode(padded).decode()
    except (UnicodeError, Error, ValueError):
        raise InvalidInput("cursor is none that this list gave out") from None


def number_in(cursor: str) -> int:
    """Read a number back, 0 <= number < 2**63.

    Raises
    ------
    InvalidInput
        If it is no cursor of ours.
    """
    digits = text_in(cursor)
    if not _NUMBER.fullmatch(digits) or int(digits) >= 2**63:
        raise InvalidInput("cursor is none that this list gave out")
    return int(digits)
